import PeerTreeCore

/// What proves a stream: chunks of signed blocks, and what a source says under its signature.
enum BlockProbe {
    struct BrokenPromise: Error, CustomStringConvertible {
        var description: String
    }

    /// One input, as a chunk and as each of the statements. What is accepted is exactly what is written again: nothing of
    /// it can be changed without making it another one.
    static func message(_ input: [UInt8]) throws -> Bool {
        let isChunk = try chunk(input)
        let isHead = try isSame(try? SourceHead(decoding: input).encoded(), as: input)
        let isPulse = try isSame(try? SourcePulse(decoding: input).encoded(), as: input)
        let isFrame = try isSame(try? SourceFrame.decode(ArrayBuffer(bytes: input)).encoded(), as: input)
        return isChunk || isHead || isPulse || isFrame
    }

    private static func chunk(_ input: [UInt8]) throws -> Bool {
        let frame = ArrayBuffer(bytes: input)
        guard let (chunk, payloadOffset) = try? SignedChunk.decode(frame) else { return false }
        let payload = frame.slice(from: payloadOffset, to: frame.count)
        guard Array((chunk.encoded() + payload.bytes).dropFirst()) == Array(input.dropFirst()) else {
            throw BrokenPromise(description: "a chunk changed by being read and written")
        }
        guard let root = chunk.root(over: payload) else {
            throw BrokenPromise(description: "an accepted chunk leads to no root")
        }
        guard SourceStatement.block(chunk.block, root: root).signedBytes.count == 96 else {
            throw BrokenPromise(description: "what is signed of a block has another length")
        }
        return true
    }

    /// - Parameter written: what was read and written again; nil if it was refused.
    private static func isSame(_ written: [UInt8]?, as input: [UInt8]) throws -> Bool {
        guard let written else { return false }
        guard written == input else {
            throw BrokenPromise(description: "a statement changed by being read and written")
        }
        return true
    }
}
