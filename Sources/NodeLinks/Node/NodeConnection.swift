import NIOCore

/// One connection, from its first byte on.
struct NodeConnection {
    enum Phase {
        /// TLS is under way.
        case securing
        case proving(Handshake)
        case proven(NodeName)
    }

    let role: LinkRole
    /// Whom the dialer dialed.
    let expected: NodeName?
    let limit: NIODeadline
    var phase = Phase.securing
    var reader = FrameReader()

    /// Who has proved itself.
    var node: NodeName? {
        if case .proven(let name) = phase { name } else { nil }
    }

    /// When its proof is too late.
    var deadline: NIODeadline { node == nil ? limit : .distantFuture }

    /// - Throws: ``LinkViolation`` for a frame that is too long: before anything is proven, that is little.
    mutating func nextFrame(_ options: LinkOptions) throws(LinkViolation) -> ByteBuffer? {
        let longest = LinkFrame.dataOverhead + options.maximumPayloadBytes
        return try reader.next(limit: node == nil ? LinkFrame.maximumControlBytes : longest)
    }
}
