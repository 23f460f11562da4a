import Testing

@testable import WebRTC

/// Offers as the various stacks write them.
enum SampleOffers {
    static let fingerprint = Array(repeating: "A1", count: 32).joined(separator: ":")
    static let password = "0123456789abcdefghijABCD"

    static let chromium = """
        v=0\r
        o=- 4611731400430051336 2 IN IP4 127.0.0.1\r
        s=-\r
        t=0 0\r
        a=group:BUNDLE 0\r
        a=extmap-allow-mixed\r
        a=msid-semantic: WMS\r
        m=application 51472 UDP/DTLS/SCTP webrtc-datachannel\r
        c=IN IP4 192.0.2.7\r
        a=candidate:1467250027 1 udp 2122260223 192.0.2.7 51472 typ host generation 0 network-id 1 network-cost 10\r
        a=candidate:2 1 udp 2122194687 8f2c4f12-0000-4444-8888-123456789abc.local 51473 typ host generation 0\r
        a=candidate:435653019 1 tcp 1845501695 192.0.2.7 9 typ host tcptype active generation 0 network-id 1\r
        a=candidate:842163049 1 udp 1677729535 198.51.100.9 51472 typ srflx raddr 192.0.2.7 rport 51472 generation 0\r
        a=ice-ufrag:EsAw\r
        a=ice-pwd:\(password)\r
        a=ice-options:trickle\r
        a=fingerprint:sha-256 \(fingerprint)\r
        a=setup:actpass\r
        a=mid:0\r
        a=sctp-port:5000\r
        a=max-message-size:262144\r

        """

    /// Firefox puts the fingerprint at the session level and accepts almost anything.
    static let firefox = """
        v=0\r
        o=mozilla...THIS_IS_SDPARTA-99.0 8233921 0 IN IP4 0.0.0.0\r
        s=-\r
        t=0 0\r
        a=sendrecv\r
        a=fingerprint:sha-256 \(fingerprint)\r
        a=group:BUNDLE 0\r
        a=ice-options:trickle\r
        a=msid-semantic:WMS *\r
        m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r
        c=IN IP4 0.0.0.0\r
        a=sendrecv\r
        a=ice-pwd:\(password)\r
        a=ice-ufrag:71b6fcc4\r
        a=mid:0\r
        a=setup:actpass\r
        a=sctp-port:5000\r
        a=max-message-size:1073741823\r

        """

    static let aiortc = """
        v=0\r
        o=- 3873021 3873021 IN IP4 0.0.0.0\r
        s=-\r
        t=0 0\r
        a=group:BUNDLE 0\r
        a=msid-semantic:WMS *\r
        m=application 40210 UDP/DTLS/SCTP webrtc-datachannel\r
        c=IN IP4 192.0.2.2\r
        a=mid:0\r
        a=sctp-port:5000\r
        a=max-message-size:65536\r
        a=candidate:f957a2332b1715da3b0ef8ba684454eb 1 udp 2130706431 192.0.2.2 40210 typ host\r
        a=candidate:d0bcf3d9c29a2bc887618212a1623bfa 1 udp 2130706431 2001:db8::2 43711 typ host\r
        a=end-of-candidates\r
        a=ice-ufrag:lrY4\r
        a=ice-pwd:\(password)\r
        a=fingerprint:sha-256 \(fingerprint)\r
        a=fingerprint:sha-512 \(fingerprint):\(fingerprint)\r
        a=setup:actpass\r

        """

    /// Pion writes lower-case hexadecimal, no max-message-size, and candidates of component 2.
    static let pion = """
        v=0\r
        o=- 7321321 1700000000 IN IP4 0.0.0.0\r
        s=-\r
        t=0 0\r
        a=fingerprint:sha-256 \(fingerprint.lowercased())\r
        a=extmap-allow-mixed\r
        a=group:BUNDLE 0\r
        m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r
        c=IN IP4 0.0.0.0\r
        a=setup:actpass\r
        a=mid:0\r
        a=sendrecv\r
        a=sctp-port:5000\r
        a=ice-ufrag:VnFhzYkQpTgWmRjs\r
        a=ice-pwd:abcdefghijklmnopqrstuvwxyzABCDEF\r
        a=candidate:233762139 1 udp 2130706431 192.0.2.3 53987 typ host\r
        a=candidate:233762139 2 udp 2130706431 192.0.2.3 53987 typ host\r
        a=end-of-candidates\r

        """

    /// simple-peer (with an older browser): bare line feeds, the former SCTP syntax, a rejected audio section.
    static let simplePeer = """
        v=0
        o=- 123 2 IN IP4 127.0.0.1
        s=-
        t=0 0
        a=group:BUNDLE audio data
        m=audio 9 UDP/TLS/RTP/SAVPF 111
        c=IN IP4 0.0.0.0
        a=ice-ufrag:audio000
        a=ice-pwd:notthepasswordthatcounts00
        a=fingerprint:sha-256 \(fingerprint.replacing("A1", with: "00"))
        a=mid:audio
        m=application 9 DTLS/SCTP 5000
        c=IN IP4 0.0.0.0
        b=AS:30
        a=ice-ufrag:data
        a=ice-pwd:\(password)
        a=fingerprint:sha-256 \(fingerprint)
        a=setup:actpass
        a=mid:data
        a=sctpmap:5000 webrtc-datachannel 1024
        """

    static let all = [chromium, firefox, aiortc, pion, simplePeer]
}

@Suite("SDP", .timeLimit(.minutes(5)))
struct SDPTests {
    @Test("Chromium's offer: mDNS and TCP candidates are left out, the rest is taken")
    func chromium() throws {
        let description = try DataSessionDescription(parsing: SampleOffers.chromium)
        #expect(description.usernameFragment == "EsAw")
        #expect(description.password == SampleOffers.password)
        #expect(description.setup == .actpass)
        #expect(description.maximumMessageSize == 262_144)
        #expect(description.supportsTrickle && !description.isComplete)
        #expect(description.candidates.map(\.type) == [.host, .serverReflexive])
        #expect(description.candidates[1].relatedAddress == TransportAddress(ip: "192.0.2.7", port: 51472))
        #expect(description.fingerprints == [.init(algorithm: "sha-256", bytes: [UInt8](repeating: 0xA1, count: 32))])
    }

    @Test("Firefox's offer: what the session says counts for the section")
    func firefox() throws {
        let description = try DataSessionDescription(parsing: SampleOffers.firefox)
        #expect(description.fingerprints.count == 1)
        #expect(description.maximumMessageSize == 1_073_741_823)
    }

    @Test("aiortc's offer: complete, with several fingerprints and IPv6")
    func aiortc() throws {
        let description = try DataSessionDescription(parsing: SampleOffers.aiortc)
        #expect(description.isComplete)
        #expect(description.fingerprints.map(\.algorithm) == ["sha-256", "sha-512"])
        #expect(description.candidates.map(\.address.family) == [.ipv4, .ipv6])
    }

    @Test("Pion's offer: without a=max-message-size the limit is 65,536")
    func pion() throws {
        let description = try DataSessionDescription(parsing: SampleOffers.pion)
        #expect(description.maximumMessageSize == 65_536)
        #expect(description.candidates.count == 1, "component 2 is of no use")
    }

    @Test("An old simple-peer's offer: bare line feeds, a=sctpmap, another section's credentials do not count")
    func simplePeer() throws {
        let description = try DataSessionDescription(parsing: SampleOffers.simplePeer)
        #expect(description.usernameFragment == "data")
        #expect(description.sctpPort == 5000)
        #expect(description.dataSection == 1)
        #expect(description.fingerprints[0].bytes.first == 0xA1)
        let answer = description.written(sessionID: 1, version: 2)
        #expect(answer.contains("m=audio 0 UDP/TLS/RTP/SAVPF 111\r\n"))
        #expect(answer.contains("m=application 9 DTLS/SCTP 5000\r\n"))
        #expect(answer.contains("a=sctpmap:5000 webrtc-datachannel 1024\r\n"))
        #expect(answer.contains("a=group:BUNDLE data\r\n"))
    }

    @Test("A data section that is to be had in a bundle alone is reached as the bundle's first section says")
    func bundleOnly() throws {
        let offer = """
            v=0
            o=- 1 2 IN IP4 127.0.0.1
            s=-
            t=0 0
            a=group:BUNDLE a d
            m=audio 5004 UDP/TLS/RTP/SAVPF 111
            a=mid:a
            a=ice-ufrag:tagged
            a=ice-pwd:\(SampleOffers.password)
            a=fingerprint:sha-256 \(SampleOffers.fingerprint)
            a=setup:actpass
            a=candidate:1 1 udp 2122260223 192.0.2.7 51472 typ host
            m=application 0 UDP/DTLS/SCTP webrtc-datachannel
            a=bundle-only
            a=mid:d
            a=sctp-port:5001

            """
        let description = try DataSessionDescription(parsing: offer)
        #expect(description.dataSection == 1 && description.mid == "d")
        #expect(description.usernameFragment == "tagged" && description.candidates.count == 1)
        #expect(description.sctpPort == 5001)
        // Port 0 and not in a bundle: refused. So it is when the first of the bundle has no port either.
        for refused in [
            offer.replacing("a=bundle-only\n", with: ""), offer.replacing("BUNDLE a d", with: "BUNDLE a"),
            offer.replacing("m=audio 5004", with: "m=audio 0"),
        ] {
            #expect(throws: SDPError.self) { try DataSessionDescription(parsing: refused) }
        }
    }

    @Test("A written description is read back the same")
    func roundTrip() throws {
        for offer in [SampleOffers.chromium, SampleOffers.aiortc, SampleOffers.pion] {
            var description = try DataSessionDescription(parsing: offer)
            // Names are the peer's affair: this side never writes any.
            description.hostNames = []
            #expect(
                try DataSessionDescription(parsing: description.written(sessionID: .max, version: .max)) == description
            )
        }
    }

    @Test(
        "A bad line is refused with its number and text",
        arguments: [
            ("a=setup:actpass", "a=setup:sideways", "setup is none of"),
            ("a=ice-ufrag:EsAw", "a=ice-ufrag:E w!", "ice-chars"),
            ("a=sctp-port:5000", "a=sctp-port:99999", "not a port"),
            ("a=max-message-size:262144", "a=max-message-size:lots", "not a number"),
            ("a=candidate:1467250027 1 udp", "a=candidate:1467250027 one udp", "malformed candidate"),
            ("a=fingerprint:sha-256 A1:A1", "a=fingerprint:sha-256 A1:X1", "hexadecimal"),
            ("m=application 51472 UDP/DTLS/SCTP webrtc-datachannel", "m=application", "media line"),
            ("t=0 0", "t", "x=value"),
        ]
    )
    func badLines(good: String, bad: String, reason: String) throws {
        let sdp = SampleOffers.chromium.replacing(good, with: bad)
        let error = #expect(throws: SDPError.self) { try DataSessionDescription(parsing: sdp) }
        #expect(error?.reason.contains(reason) == true, "\(String(describing: error))")
        #expect(error?.line?.hasPrefix(bad) == true)
        let lines = sdp.split(separator: "\r\n")
        #expect(error?.lineNumber == (lines.firstIndex { $0.hasPrefix(bad) } ?? -2) + 1)
    }

    @Test("What is missing is named", arguments: ["ice-ufrag", "ice-pwd", "fingerprint"])
    func missing(attribute: String) {
        let lines = SampleOffers.chromium.split(separator: "\r\n").filter { !$0.hasPrefix("a=\(attribute)") }
        let error = #expect(throws: SDPError.self) {
            try DataSessionDescription(parsing: lines.joined(separator: "\r\n"))
        }
        #expect(error?.reason.contains(attribute) == true)
    }

    @Test("An offer without data channels, an empty one and an oversized one are refused")
    func unusable() {
        #expect(throws: SDPError.self) { try DataSessionDescription(parsing: "") }
        #expect(throws: SDPError.self) { try DataSessionDescription(parsing: "v=0\r\nm=audio 9 RTP/AVP 0\r\n") }
        let padding = String(repeating: "a=x:y\r\n", count: 30_000)
        #expect(throws: SDPError.self) { try DataSessionDescription(parsing: SampleOffers.chromium + padding) }
    }

    @Test(
        "Addresses that are not one host's are not candidates",
        arguments: ["0.0.0.0", "255.255.255.255", "224.0.0.1", "::", "ff02::1", "example.org"]
    )
    func unusableCandidates(ip: String) {
        #expect(throws: ICECandidateError.unsupported) {
            try ICECandidate(parsing: "candidate:1 1 udp 1 \(ip) 5 typ host")
        }
    }
}
