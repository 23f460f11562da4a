// Whoever imports this library has its arguments.
@_exported public import JSON
public import NIOCore

extension JSONValue {
    /// Parses the readable bytes of `buffer`, which must hold exactly one value; see
    /// ``JSONValue/init(parsing:limits:)-(UnsafeRawBufferPointer,_)``.
    public init(parsing buffer: ByteBuffer, limits: JSONLimits = JSONLimits()) throws(JSONError) {
        let result = buffer.withUnsafeReadableBytes { bytes in
            Result { () throws(JSONError) in try JSONValue(parsing: bytes, limits: limits) }
        }
        self = try result.get()
    }

    /// The readable bytes of `buffer`, sent as a Socket.IO attachment.
    public init(_ buffer: ByteBuffer) {
        self = .binary(Array(buffer.readableBytesView))
    }
}

extension JSONBytes {
    /// The readable bytes of `buffer`.
    public init(_ buffer: ByteBuffer) {
        self.init(buffer.readableBytesView)
    }
}
