public import NIOCore

/// What the first bytes of a stream say about it.
public struct StreamGuess: Sendable, Hashable {
    /// Whether a ``WebMSplitter`` can cut it.
    public var isWebM: Bool
    /// A media type; `application/octet-stream` where nothing better is known.
    public var contentType: String
}

/// Guesses what a stream is from its first bytes.
public enum StreamSniffer {
    /// So many bytes are always enough for a guess; MPEG transport streams are known from 189 bytes on.
    public static let sufficientBytes = 12

    /// Makes a guess.
    /// - Parameters:
    ///   - prefix: the first bytes of the stream, as many as there are.
    ///   - isComplete: whether the stream ends with them.
    /// - Returns: nil if more bytes are needed.
    public static func guess(_ prefix: ByteBuffer, isComplete: Bool = false) -> StreamGuess? {
        guard isComplete || prefix.readableBytes >= sufficientBytes else { return nil }
        let bytes = prefix.readableBytesView
        if bytes.starts(with: [0x1A, 0x45, 0xDF, 0xA3]) {
            return StreamGuess(isWebM: true, contentType: WebMTracks(header: prefix).contentType)
        }
        for signature in signatures where signature.matches(bytes) {
            return StreamGuess(isWebM: false, contentType: signature.contentType)
        }
        if isTransportStream(bytes) { return StreamGuess(isWebM: false, contentType: "video/mp2t") }
        let type = isText(bytes) ? "text/plain; charset=utf-8" : "application/octet-stream"
        return StreamGuess(isWebM: false, contentType: type)
    }

    private struct Signature {
        var offset = 0
        var magic: [UInt8]
        var contentType: String

        func matches(_ bytes: ByteBufferView) -> Bool {
            bytes.dropFirst(offset).starts(with: magic)
        }
    }

    private static let signatures = [
        Signature(offset: 4, magic: Array("ftyp".utf8), contentType: "video/mp4"),
        Signature(magic: Array("OggS".utf8), contentType: "application/ogg"),
        Signature(magic: Array("FLV\u{1}".utf8), contentType: "video/x-flv"),
        Signature(offset: 8, magic: Array("WAVE".utf8), contentType: "audio/wav"),
        Signature(offset: 8, magic: Array("AVI ".utf8), contentType: "video/x-msvideo"),
        Signature(magic: Array("fLaC".utf8), contentType: "audio/flac"),
        Signature(magic: Array("ID3".utf8), contentType: "audio/mpeg"),
        Signature(magic: [0xFF, 0xFB], contentType: "audio/mpeg"),
        Signature(magic: [0xFF, 0xF1], contentType: "audio/aac"),
        Signature(magic: [0x89, 0x50, 0x4E, 0x47], contentType: "image/png"),
        Signature(magic: [0xFF, 0xD8, 0xFF], contentType: "image/jpeg"),
        Signature(magic: Array("GIF8".utf8), contentType: "image/gif"),
        Signature(magic: Array("%PDF-".utf8), contentType: "application/pdf"),
        Signature(magic: [0x1F, 0x8B], contentType: "application/gzip"),
    ]

    private static func isTransportStream(_ bytes: ByteBufferView) -> Bool {
        bytes.first == 0x47 && bytes.dropFirst(188).first == 0x47
    }

    /// UTF-8 without control characters other than white space and escape sequences.
    private static func isText(_ bytes: ByteBufferView) -> Bool {
        let prefix = bytes.prefix(512)
        guard !prefix.isEmpty, prefix.allSatisfy({ $0 >= 0x20 && $0 != 0x7F || [0x09, 0x0A, 0x0D, 0x1B].contains($0) })
        else { return false }
        // The prefix may end inside a character of up to four bytes.
        return (0..<4).contains { String(validating: prefix.dropLast($0), as: UTF8.self) != nil }
    }
}
