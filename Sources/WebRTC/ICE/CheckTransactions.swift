import NIOCore

/// Binding requests that may still be answered, the newest few hundred.
struct CheckTransactions {
    struct Transaction {
        var pair: Int
        var sentAt: NIODeadline
        var role: ICEAgent.Role
        var nominates: Bool
    }

    static let limit = 512
    private var transactions: [UInt64: Transaction] = [:]
    private var order: [UInt64] = []

    var count: Int { self.transactions.count }

    subscript(nonce: UInt64) -> Transaction? { self.transactions[nonce] }

    mutating func add(_ nonce: UInt64, _ transaction: Transaction) {
        self.transactions[nonce] = transaction
        self.order.append(nonce)
        guard self.order.count > Self.limit else { return }
        for old in self.order.prefix(Self.limit / 2) { self.transactions[old] = nil }
        self.order.removeFirst(Self.limit / 2)
    }

    /// It was answered.
    mutating func remove(_ nonce: UInt64) {
        self.transactions[nonce] = nil
    }
}
