import NodeLinks
import Testing

@Suite("Where nodes are, in words", .timeLimit(.minutes(1)))
struct LinkAddressTests {
    @Test(
        "HOST:PORT, an IPv6 address in brackets",
        arguments: [
            ("10.0.0.1:7000", "10.0.0.1", 7_000), ("[::1]:0", "::1", 0),
            ("node.example.org:65535", "node.example.org", 65_535),
        ]
    )
    func reads(text: String, host: String, port: Int) throws {
        let address = try #require(LinkAddress(text))
        #expect(address.host == host)
        #expect(address.port == port)
        #expect(address.description == text)
    }

    @Test("Nothing else", arguments: ["", ":1", "h", "h:", "h:x", "h:65536", "h:-1", "::1:7000", "[]:1"])
    func refuses(text: String) {
        #expect(LinkAddress(text) == nil)
    }
}
