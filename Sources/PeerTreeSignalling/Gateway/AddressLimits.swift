import PeerTreeCore
import Synchronization

/// What the clients of each address take together, at all gateways of a process. Asked where a client comes, enters or goes,
/// which is seldom enough for a lock.
final class AddressLimits: Sendable {
    private let options: SignallingOptions
    private let table = Mutex(AddressTable())

    init(_ options: SignallingOptions) {
        self.options = options
    }

    /// How many addresses are remembered.
    var count: Int { table.withLock { $0.count } }

    /// Counts a socket; false if the address has as many as it may.
    func connect(_ address: UInt64, at now: Instant) -> Bool {
        table.withLock { $0.connect(address, options: options, at: now) }
    }

    func disconnect(_ address: UInt64) {
        table.withLock { $0.disconnect(address) }
    }

    /// Takes one of the joins that the address may make now; false if there is none.
    func join(_ address: UInt64, at now: Instant) -> Bool {
        table.withLock { $0.join(address, options: options, at: now) }
    }

    /// Whether the address has fewer trees than it may have.
    func mayCreateTree(_ address: UInt64) -> Bool {
        table.withLock { $0.mayCreateTree(address, options: options) }
    }

    func createTree(_ address: UInt64) {
        table.withLock { $0.createTree(address) }
    }

    func endTree(_ address: UInt64) {
        table.withLock { $0.endTree(address) }
    }
}
