import CUSRSCTP
import NIOCore

/// The associations that live on one event loop. Only touched there, but for `eventLoop` and `onLoop`.
final class SCTPShard {
    let eventLoop: any EventLoop
    /// What the last read of a message had no use for. One for all associations: an idle one holds no memory for
    /// messages.
    var spare = ByteBuffer()
    private let index: Int
    /// Associations by handle. usrsctp is given these numbers in place of pointers, so a late callback for an
    /// association that is gone finds nothing instead of freed memory.
    private var associations: [UInt: SCTPAssociation] = [:]
    private var lastNumber: UInt = 0
    private var lastUsed: (handle: UInt, association: SCTPAssociation)?
    /// Associations to which a timer may bring something to drain.
    private var watched: [SCTPAssociation] = []
    private var timer: Scheduled<Void>?
    /// Ticks since any association last worked.
    private var quietTicks = 0

    /// The granularity of the stack's timers while anything is under way: its shortest is the acknowledgement delay.
    private static let interval = TimeAmount.milliseconds(10)
    /// And when for `quietLimit` ticks nothing was: only retransmissions that have backed off beyond that time can be
    /// pending. An idle loop wakes up ten times a second for all its connections together.
    private static let quietInterval = TimeAmount.milliseconds(100)
    private static let quietLimit = 50

    init(index: Int, eventLoop: any EventLoop) {
        self.index = index
        self.eventLoop = eventLoop
    }

    func add(_ association: SCTPAssociation) -> UInt {
        self.lastNumber &+= 1
        let handle = SCTPStack.handle(number: self.lastNumber, shard: self.index)
        self.associations[handle] = association
        usrsctp_register_address(UnsafeMutableRawPointer(bitPattern: handle))
        return handle
    }

    func remove(_ handle: UInt) {
        usrsctp_deregister_address(UnsafeMutableRawPointer(bitPattern: handle))
        self.associations[handle] = nil
        self.lastUsed = nil
        // The timers must run on for a while: usrsctp frees an association in several steps.
    }

    func association(_ handle: UInt) -> SCTPAssociation? {
        if let lastUsed, lastUsed.handle == handle { return lastUsed.association }
        guard let association = self.associations[handle] else { return nil }
        self.lastUsed = (handle, association)
        return association
    }

    func transmit(_ packet: UnsafeRawBufferPointer, for handle: UInt) {
        self.association(handle)?.transmit(packet)
    }

    /// Does something on the loop, from whatever thread.
    func onLoop(_ body: @escaping @Sendable (SCTPShard) -> Void) {
        // Safe: the reference is only carried to the loop that everything in here belongs to.
        nonisolated(unsafe) let shard = self
        self.eventLoop.execute { body(shard) }
    }

    // MARK: - Timers

    /// Before anything goes into the stack: its clock is set, and its timers run in short steps for a while.
    func willWork() {
        if self.quietTicks >= Self.quietLimit || self.timer == nil {
            self.timer?.cancel()
            SCTPStack.shared.advance()
            self.schedule(in: Self.interval)
        }
        self.quietTicks = 0
    }

    func watch(_ association: SCTPAssociation) {
        guard !association.isWatched else { return }
        association.isWatched = true
        self.watched.append(association)
    }

    private func schedule(in delay: TimeAmount) {
        self.timer = self.eventLoop.assumeIsolated().scheduleTask(in: delay) { self.tick() }
    }

    private func tick() {
        SCTPStack.shared.advance()
        self.quietTicks += 1
        self.schedule(in: self.quietTicks < Self.quietLimit ? Self.interval : Self.quietInterval)
        self.watched.removeAll { association in
            if association.hasWork {
                association.onWork()
                return false
            }
            association.isWatched = false
            return true
        }
    }
}
