/// The end of the stream, as far as it has come.
///
/// A neighbour's word for it holds until a later parent has more; the server's word is final.
struct Ending {
    /// The number of the chunk that ends the stream, once it was delivered.
    var sequence: UInt64?
    /// The application, or a parent, was told that everything below has the whole stream, too.
    var isSubtreeTold = false
    /// The application was told.
    private(set) var isTold = false
    /// Nothing can come any more.
    private(set) var isFinal = false
    /// The tree is over: how long what is still on its way is waited for.
    var deadline: Instant?
    private var isTreeOver = false

    /// - Returns: whether the application is to be told.
    mutating func end(_ how: StreamEnd) -> Bool {
        deadline = nil
        isFinal = isFinal || isTreeOver || how == .sourceLost
        defer { isTold = true }
        return !isTold
    }

    /// The server says that the tree is over.
    mutating func treeEnded() {
        isTreeOver = true
        if isTold { isFinal = true }
    }

    /// The stream goes on behind what was said to be its end.
    ///
    /// - Returns: whether the application was told of an end.
    mutating func resume() -> Bool {
        guard !isFinal else { return false }
        defer { isTold = false }
        return isTold
    }
}
