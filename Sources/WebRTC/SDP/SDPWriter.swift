extension DataSessionDescription {
    /// The description as SDP (RFC 8866, RFC 8829), with CRLF line ends. Sections other than the data section are
    /// answered with port 0: refused.
    ///
    /// - Parameter version: grows with every new description of the session (RFC 8829 section 5.2.2).
    func written(sessionID: UInt64, version: UInt64) -> String {
        var lines = [
            "v=0",
            "o=- \(sessionID & 0x7FFF_FFFF_FFFF_FFFF) \(version) IN IP4 127.0.0.1",
            "s=-",
            "t=0 0",
            "a=group:BUNDLE \(self.mid ?? "0")",
            "a=msid-semantic: WMS",
        ]
        for (index, section) in self.sections.enumerated() {
            if index == self.dataSection {
                lines += self.dataSectionLines(section)
            } else {
                lines.append("m=\(section.kind) 0 \(section.transport) \(section.formats)")
                lines.append("c=IN IP4 0.0.0.0")
                if let mid = section.mid { lines.append("a=mid:\(mid)") }
                lines.append("a=inactive")
            }
        }
        return lines.joined(separator: "\r\n") + "\r\n"
    }

    private func dataSectionLines(_ section: Section) -> [String] {
        let first = self.candidates.max { $0.priority < $1.priority }
        let isIPv6 = first?.address.family == .ipv6
        var lines = [
            "m=application \(first?.address.port ?? 9) \(section.transport) \(section.formats)",
            "c=IN \(isIPv6 ? "IP6" : "IP4") \(first?.address.ip ?? "0.0.0.0")",
        ]
        lines += self.candidates.map { "a=\($0.description)" }
        if self.isComplete { lines.append("a=end-of-candidates") }
        lines.append("a=ice-ufrag:\(self.usernameFragment)")
        lines.append("a=ice-pwd:\(self.password)")
        if self.supportsTrickle { lines.append("a=ice-options:trickle") }
        for fingerprint in self.fingerprints {
            lines.append("a=fingerprint:\(fingerprint.algorithm) \(fingerprint.hexadecimal)")
        }
        lines.append("a=setup:\(self.setup.rawValue)")
        if let mid = section.mid { lines.append("a=mid:\(mid)") }
        if section.formats == "webrtc-datachannel" {
            lines.append("a=sctp-port:\(self.sctpPort)")
        } else {
            lines.append("a=sctpmap:\(self.sctpPort) webrtc-datachannel 1024")
        }
        lines.append("a=max-message-size:\(self.maximumMessageSize ?? 0)")
        return lines
    }
}

extension DataSessionDescription.Fingerprint {
    var hexadecimal: String {
        self.bytes.map { byte in
            let text = String(byte, radix: 16, uppercase: true)
            return text.count == 1 ? "0" + text : text
        }.joined(separator: ":")
    }
}
