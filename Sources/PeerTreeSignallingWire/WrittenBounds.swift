import PeerTreeCore
import PeerTreeSignalling
import SwiftProtobuf

/// Bytes of the largest messages that are in bounds.
extension SignallingOptions {
    /// An event, or a client that comes back and names all its neighbours.
    var maximumBytesToTree: Int {
        let neighbours = ClaimedPlace.maximumParents + ClaimedPlace.maximumChildren
        return max(maximumPayloadTextBytes, neighbours * (2 * nameBytes + 32)) + bytesOfTheRest
    }

    /// An event, or what has changed in a tree that many have left.
    var maximumBytesToGateway: Int {
        let gone = DashboardChanges.maximumGone * 18
        // A label, a parent in each stripe, and what the peer says of itself.
        let peer = 18 + StripeLayout.most * 20 + 128
        let peers = max(DashboardChanges.maximumPeers, min(maximumPeersInSummary, 1 << 24)) * peer
        return max(maximumPayloadTextBytes, gone + peers) + bytesOfTheRest
    }

    private var nameBytes: Int { min(max(maximumStringBytes, 0), 1 << 24) }

    /// Two dozen names, a token, a sentence and some numbers.
    private var bytesOfTheRest: Int { 24 * nameBytes + min(max(maximumTokenBytes, 0), 1 << 24) + 4_096 }
}

extension WrittenReader {
    /// How deep messages nest: the parents of a peer in changes of a tree, or those of a client that comes back, are the
    /// deepest.
    private static let maximumNesting = 8

    /// Reads a message's form. What is in it is checked field by field.
    func message<Form: SwiftProtobuf.Message>(
        _: Form.Type,
        _ bytes: [UInt8],
        limit: Int
    ) throws(WrittenFormError) -> Form {
        guard bytes.count <= limit else { throw .tooLong(bytes: bytes.count, limit: limit) }
        var decoding = BinaryDecodingOptions()
        decoding.messageDepthLimit = Self.maximumNesting
        decoding.discardUnknownFields = true
        do {
            return try Form(serializedBytes: bytes, extensions: nil, partial: false, options: decoding)
        } catch {
            throw .unreadable
        }
    }
}

/// A message's bytes. Writing fails only beyond 2 GiB, which no message has; nobody would read what comes of that.
func bytes(of message: some SwiftProtobuf.Message) -> [UInt8] {
    (try? message.serializedBytes()) ?? []
}
