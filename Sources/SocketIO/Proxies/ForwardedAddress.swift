import NIOCore
import NIOHTTP1

/// Whom a request is from, behind proxies that are believed.
enum ForwardedAddress {
    /// The address of the client that a chain of proxies names in `X-Forwarded-For`.
    ///
    /// Each proxy adds whom it was asked by at the end. So the list is read from there for as long as whoever wrote an
    /// entry is believed: what a client wrote itself is never reached. An entry that is no address ends the list, too.
    ///
    /// - Parameter peer: who sent the request: the other end of the connection, or whom that one named by the PROXY
    ///   protocol.
    static func client(of headers: HTTPHeaders, from peer: SocketAddress?, trusting proxies: [AddressRange])
        -> SocketAddress?
    {
        var client = peer
        var entries = headers[canonicalForm: "x-forwarded-for"]
        while proxies.contains(where: { $0.contains(client) }), let entry = entries.popLast() {
            guard let address = address(entry) else { break }
            client = address
        }
        return client
    }

    /// Reads `192.0.2.1`, `2001:db8::1`, and both with a port as some proxies write them: `192.0.2.1:80`,
    /// `[2001:db8::1]:80`.
    private static func address(_ entry: Substring) -> SocketAddress? {
        var text = entry
        if text.first == "[" {
            text = text.dropFirst().prefix { $0 != "]" }
        } else if text.count(where: { $0 == ":" }) == 1 {
            text = text.prefix { $0 != ":" }
        }
        return try? SocketAddress(ipAddress: String(text), port: 0)
    }
}
