/// How a source proves to a server that a tree is its own.
struct Creation {
    /// The id of the socket, and the host that was dialled; nil if the host has not said.
    var server: (socket: Text, host: Text)?
    /// What is asked once the proof is signed.
    private var request: DiscoverRequest?

    /// What is to be signed for a request to create a tree; nil for any other, which can go out at once.
    mutating func statement(for request: DiscoverRequest) -> [UInt8]? {
        guard request.treeID == nil, let key = request.key, let server,
            let proof = CreationProof(socketID: server.socket, host: server.host, treeID: key.treeID)
        else { return nil }
        self.request = request
        return SourceStatement.create(proof).signedBytes
    }

    /// The request with its proof; nil if nothing waits for one.
    mutating func signed(_ signature: Signature) -> DiscoverRequest? {
        defer { request = nil }
        request?.proof = signature
        request?.host = server?.host
        return request
    }
}
