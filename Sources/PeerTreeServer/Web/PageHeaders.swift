import HTTPTypes

/// What browsers are told with every page: whatever a stream contains, nothing of it runs.
enum PageHeaders {
    /// - Parameter authority: host and port as the browser wrote them. Not every browser takes `'self'` to include the
    ///   server's WebSockets.
    static func add(to headers: inout HTTPFields, authority: String?) {
        headers[.contentSecurityPolicy] = policy(authority: authority)
        for (name, value) in fixed {
            if let name = HTTPField.Name(name) { headers[name] = value }
        }
        headers[.accessControlAllowOrigin] = nil
    }

    static func policy(authority: String?) -> String {
        let sockets = authority.flatMap { isPlain($0) ? " ws://\($0) wss://\($0)" : nil } ?? ""
        return [
            "default-src 'none'", "script-src 'self' 'wasm-unsafe-eval'", "worker-src blob:", "style-src 'self'",
            "connect-src 'self'\(sockets)", "img-src 'self' data: blob:", "media-src 'self' blob: mediastream:",
            "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'",
        ].joined(separator: "; ")
    }

    private static let fixed = [
        ("Referrer-Policy", "no-referrer"), ("Cross-Origin-Opener-Policy", "same-origin"),
        ("Permissions-Policy", permissions),
    ]

    private static let permissions =
        "camera=(self), microphone=(self), display-capture=(self), fullscreen=(self), autoplay=(self), "
        + "screen-wake-lock=(self), clipboard-write=(self), geolocation=(), payment=(), usb=(), serial=(), midi=()"

    /// Whether a text is a host and perhaps a port, and nothing that would end the directive.
    private static func isPlain(_ authority: String) -> Bool {
        authority.utf8.count <= 260
            && authority.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
                case UInt8(ascii: "0")...UInt8(ascii: "9"): true
                case UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: ":"), UInt8(ascii: "["), UInt8(ascii: "]"): true
                default: false
                }
            }
    }
}
