/// Which sections of a description matter for data channels.
struct SDPLayout {
    /// The section of the data channels; nil when there is none, or it is refused.
    let dataSection: Int?
    /// The section that says how its transport is reached: itself, or where it is bundled into another section and has no
    /// transport of its own, that one.
    let transportSection: Int?

    private struct Section {
        var isData: Bool
        var hasPort: Bool
        var isBundleOnly = false
        var mid: Substring?
    }

    /// Looks through the lines; what is malformed in them is for somebody else to find.
    init(_ lines: [Substring]) {
        var sections: [Section] = []
        var bundles: [[Substring]] = []
        for line in lines {
            if line.hasPrefix("m=") {
                let fields = line.dropFirst(2).split(separator: " ", maxSplits: 3)
                let isData = fields.count == 4 && fields[0] == "application" && fields[2].contains("DTLS/SCTP")
                let port = fields.count > 1 ? UInt16(fields[1].prefix { $0 != "/" }) : nil
                sections.append(Section(isData: isData, hasPort: port ?? 0 != 0))
            } else if line.hasPrefix("a=group:BUNDLE "), sections.isEmpty {
                bundles.append(line.dropFirst("a=group:BUNDLE ".count).split(separator: " "))
            } else if line.hasPrefix("a=mid:"), !sections.isEmpty {
                sections[sections.count - 1].mid = line.dropFirst("a=mid:".count)
            } else if line == "a=bundle-only", !sections.isEmpty {
                sections[sections.count - 1].isBundleOnly = true
            }
        }
        // Port 0 refuses a section, unless it is to be had in a bundle alone: then the first of the bundle, the tagged
        // section, has the transport (RFC 9143 sections 6 and 7.1.3).
        for (index, section) in sections.enumerated() where section.isData {
            if section.hasPort {
                (self.dataSection, self.transportSection) = (index, index)
                return
            }
            guard section.isBundleOnly, let mid = section.mid, let bundle = bundles.first(where: { $0.contains(mid) }),
                let tagged = sections.firstIndex(where: { $0.mid == bundle.first && $0.hasPort })
            else { continue }
            (self.dataSection, self.transportSection) = (index, tagged)
            return
        }
        (self.dataSection, self.transportSection) = (nil, nil)
    }
}
