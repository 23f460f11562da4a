import NIOCore
import NIOHTTP1
import Testing

@testable import SocketIO

extension SocketIOTests {
    @Suite("Whom a request is from", .timeLimit(.minutes(5)))
    struct ForwardedAddressTests {
        private func address(_ text: String) throws -> SocketAddress { try SocketAddress(ipAddress: text, port: 0) }

        @Test(
            "A range has the addresses whose first bits are its own",
            arguments: [
                ("192.0.2.1", "192.0.2.1", true), ("192.0.2.1", "192.0.2.2", false),
                ("10.0.0.0/8", "10.255.0.1", true), ("10.0.0.0/8", "11.0.0.1", false),
                ("172.16.0.0/12", "172.31.255.255", true), ("172.16.0.0/12", "172.32.0.0", false),
                ("10.0.0.0/8", "::ffff:10.1.2.3", true), ("0.0.0.0/0", "203.0.113.7", true),
                ("0.0.0.0/0", "2001:db8::1", false), ("2001:db8::/32", "2001:db8:ffff::1", true),
                ("2001:db8::/33", "2001:db8:8000::1", false), ("::1", "::1", true), ("::1", "127.0.0.1", false),
            ]
        )
        func ranges(range: String, address: String, isIn: Bool) throws {
            let range = try #require(AddressRange(range))
            let address = try self.address(address)
            #expect(range.contains(address) == isIn)
        }

        @Test(
            "What is no range is refused",
            arguments: [
                "", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/+8", "::/129", "a/8", "1.2.3.4/8/8",
            ]
        )
        func noRanges(text: String) {
            #expect(AddressRange(text) == nil)
        }

        @Test("A range has no address that is none")
        func otherKinds() throws {
            let range = try #require(AddressRange("0.0.0.0/0"))
            #expect(!range.contains(nil))
            let path = try SocketAddress(unixDomainSocketPath: "/tmp/x")
            #expect(!range.contains(path))
            #expect(range.description == "0.0.0.0/0")
            #expect(AddressRange("2001:db8::1")?.description == "2001:db8::1")
        }

        @Test(
            "X-Forwarded-For is read from its end, for as long as whoever wrote an entry is believed",
            arguments: [
                // Nobody is believed who is not listed.
                ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),
                ("10.0.0.1", [], "10.0.0.1"),
                ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
                // The client wrote the first, a proxy the second.
                ("10.0.0.1", ["1.1.1.1, 198.51.100.1"], "198.51.100.1"),
                ("10.0.0.1", ["1.1.1.1", "198.51.100.1,10.0.0.2"], "198.51.100.1"),
                ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
                ("10.0.0.1", ["198.51.100.1, unknown"], "10.0.0.1"),
                ("10.0.0.1", ["198.51.100.1, unknown, 10.0.0.2"], "10.0.0.2"),
                ("10.0.0.1", ["198.51.100.1:4711"], "198.51.100.1"),
                ("10.0.0.1", ["[2001:db8::5]:4711"], "2001:db8::5"),
                ("10.0.0.1", ["2001:db8::5"], "2001:db8::5"),
                ("10.0.0.1", ["[2001:db8::5"], "2001:db8::5"),
                ("10.0.0.1", ["[]"], "10.0.0.1"),
            ]
        )
        func forwarded(peer: String, headers: [String], client: String) throws {
            let proxy = try #require(AddressRange("10.0.0.0/8"))
            let headers = HTTPHeaders(headers.map { ("X-Forwarded-For", $0) })
            let found = ForwardedAddress.client(of: headers, from: try address(peer), trusting: [proxy])
            #expect(found?.ipAddress == client)
        }
    }
}
