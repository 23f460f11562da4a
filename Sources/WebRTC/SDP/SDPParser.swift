extension DataSessionDescription {
    /// The size beyond which a description is refused unread.
    static let maximumSize = 128 * 1024
    private static let maximumSections = 64
    private static let maximumCandidates = 256
    private static let maximumHostNames = 16

    /// Reads the data channel section of a description. Lines that do not matter for it are skipped, whatever they say.
    init(parsing sdp: String) throws(SDPError) {
        guard sdp.utf8.count <= Self.maximumSize else {
            throw SDPError("larger than \(Self.maximumSize) bytes")
        }
        self.init()
        var lines: [Line] = []
        for (index, raw) in sdp.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated()
        {
            let text = Substring(raw)
            let line = Line(text: text.hasSuffix("\r") ? text.dropLast() : text, number: index + 1)
            if !line.text.isEmpty { lines.append(line) }
        }
        let layout = SDPLayout(lines.map(\.text))
        var reader = SectionReader(layout: layout)
        for line in lines { try reader.read(line) }
        guard let index = layout.dataSection else {
            throw SDPError("no m=application section for data channels (webrtc-datachannel)")
        }
        self.sections = reader.sections
        self.dataSection = index
        try self.apply(reader.attributes)
    }

    private mutating func apply(_ attributes: SectionReader.Attributes) throws(SDPError) {
        guard let usernameFragment = attributes.usernameFragment else { throw SDPError("no a=ice-ufrag") }
        guard let password = attributes.password else { throw SDPError("no a=ice-pwd") }
        guard !attributes.fingerprints.isEmpty else { throw SDPError("no a=fingerprint") }
        self.usernameFragment = usernameFragment
        self.password = password
        self.fingerprints = attributes.fingerprints
        self.setup = attributes.setup ?? .actpass
        self.sctpPort = attributes.sctpPort ?? 5000
        self.candidates = attributes.candidates
        self.hostNames = attributes.hostNames
        self.isComplete = attributes.isComplete
        self.supportsTrickle = attributes.supportsTrickle
        if let size = attributes.maximumMessageSize { self.maximumMessageSize = size == 0 ? nil : size }
    }

    private struct Line {
        var text: Substring
        var number: Int

        func error(_ reason: String) -> SDPError { SDPError(reason, line: self.text, number: self.number) }
    }

    /// Walks through the lines; keeps what the session says and what the data section says, which overrides it. What
    /// concerns the transport, another section may say for it (see `SDPLayout`).
    private struct SectionReader {
        struct Attributes {
            var usernameFragment: String?
            var password: String?
            var fingerprints: [Fingerprint] = []
            var setup: Setup?
            var sctpPort: UInt16?
            var maximumMessageSize: Int?
            var candidates: [ICECandidate] = []
            var hostNames: [HostNameCandidate] = []
            var isComplete = false
            var supportsTrickle = false
        }

        private let layout: SDPLayout
        private(set) var sections: [Section] = []
        private(set) var attributes = Attributes()
        private var fingerprintsAreSessionLevel = true

        init(layout: SDPLayout) {
            self.layout = layout
        }

        /// Whether lines now concern the session as a whole or the data section.
        private var isOfData: Bool { self.sections.isEmpty || self.layout.dataSection == self.sections.count - 1 }
        /// Whether they concern what carries the data.
        private var isOfTransport: Bool {
            self.sections.isEmpty || self.layout.transportSection == self.sections.count - 1
        }

        mutating func read(_ line: Line) throws(SDPError) {
            let bytes = Array(line.text.utf8.prefix(2))
            guard bytes.count == 2, bytes[1] == UInt8(ascii: "=") else { throw line.error("not of the form x=value") }
            let value = line.text.dropFirst(2)
            switch bytes[0] {
            case UInt8(ascii: "m"): try self.startSection(value, line)
            case UInt8(ascii: "a"): try self.readAttribute(value, line)
            default: break
            }
        }

        private mutating func startSection(_ value: Substring, _ line: Line) throws(SDPError) {
            guard self.sections.count < maximumSections else { throw line.error("too many media sections") }
            let fields = value.split(separator: " ", maxSplits: 3)
            guard fields.count == 4 else { throw line.error("a media line needs kind, port, transport and format") }
            guard UInt16(fields[1].prefix { $0 != "/" }) != nil else { throw line.error("port is not a number") }
            let section = Section(
                kind: String(fields[0]),
                transport: String(fields[2]),
                formats: String(fields[3]),
                mid: nil
            )
            self.sections.append(section)
        }

        private mutating func readAttribute(_ text: Substring, _ line: Line) throws(SDPError) {
            let name = text.prefix { $0 != ":" }
            let value = text.dropFirst(name.count + 1)
            if name == "mid", !self.sections.isEmpty {
                guard value.utf8.count <= 64 else { throw line.error("identification tag is too long") }
                self.sections[self.sections.count - 1].mid = String(value)
                return
            }
            if self.isOfTransport { try self.readTransportAttribute(name, value, text, line) }
            if self.isOfData { try self.readDataAttribute(name, value, line) }
        }

        private mutating func readTransportAttribute(
            _ name: Substring,
            _ value: Substring,
            _ text: Substring,
            _ line: Line
        ) throws(SDPError) {
            switch name {
            case "ice-ufrag":
                guard Self.isIceString(value, 4...256) else { throw line.error("not 4 to 256 ice-chars") }
                self.attributes.usernameFragment = String(value)
            case "ice-pwd":
                guard Self.isIceString(value, 22...256) else { throw line.error("not 22 to 256 ice-chars") }
                self.attributes.password = String(value)
            case "ice-options":
                self.attributes.supportsTrickle = value.split(separator: " ").contains("trickle")
            case "fingerprint":
                try self.readFingerprint(value, line)
            case "setup":
                guard let setup = Setup(rawValue: String(value)) else {
                    throw line.error("setup is none of active, passive and actpass")
                }
                self.attributes.setup = setup
            case "candidate":
                try self.readCandidate(text, line)
            case "end-of-candidates":
                self.attributes.isComplete = true
            default:
                break
            }
        }

        private mutating func readDataAttribute(
            _ name: Substring,
            _ value: Substring,
            _ line: Line
        ) throws(SDPError) {
            switch name {
            case "sctp-port":
                guard let port = UInt16(value), port > 0 else { throw line.error("not a port") }
                self.attributes.sctpPort = port
            case "sctpmap":
                // Before RFC 8841: "a=sctpmap:5000 webrtc-datachannel 1024".
                guard let port = UInt16(value.prefix { $0 != " " }), port > 0 else { throw line.error("not a port") }
                self.attributes.sctpPort = self.attributes.sctpPort ?? port
            case "max-message-size":
                guard let size = UInt64(value) else { throw line.error("not a number") }
                self.attributes.maximumMessageSize = Int(clamping: size)
            default:
                break
            }
        }

        private mutating func readCandidate(_ text: Substring, _ line: Line) throws(SDPError) {
            guard self.attributes.candidates.count < maximumCandidates else { return }
            do {
                self.attributes.candidates.append(try ICECandidate(parsing: text))
            } catch {
                if error == .malformed { throw line.error("malformed candidate") }
                if self.attributes.hostNames.count < maximumHostNames, let named = HostNameCandidate(parsing: text) {
                    self.attributes.hostNames.append(named)
                }
            }
        }

        private mutating func readFingerprint(_ value: Substring, _ line: Line) throws(SDPError) {
            let fields = value.split(separator: " ")
            guard fields.count == 2 else { throw line.error("a fingerprint is a hash name and a hash") }
            let pairs = fields[1].split(separator: ":", omittingEmptySubsequences: false)
            let bytes = pairs.compactMap { $0.utf8.count == 2 ? UInt8($0, radix: 16) : nil }
            guard bytes.count == pairs.count, bytes.count >= 16, bytes.count <= 64 else {
                throw line.error("a fingerprint is pairs of hexadecimal digits with colons between")
            }
            // Those of the data section replace those of the session.
            if self.fingerprintsAreSessionLevel, !self.sections.isEmpty {
                self.attributes.fingerprints = []
                self.fingerprintsAreSessionLevel = false
            }
            guard self.attributes.fingerprints.count < 8 else { return }
            self.attributes.fingerprints.append(Fingerprint(algorithm: fields[0].lowercased(), bytes: bytes))
        }

        /// ALPHA / DIGIT / "+" / "/", to which some writers add "-" and "_" (RFC 8839 section 5.4).
        private static func isIceString(_ value: Substring, _ length: ClosedRange<Int>) -> Bool {
            length.contains(value.utf8.count)
                && value.utf8.allSatisfy { byte in
                    switch byte {
                    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                        UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "+"), UInt8(ascii: "/"),
                        UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "="):
                        true
                    default:
                        false
                    }
                }
        }
    }
}
