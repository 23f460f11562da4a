import CUSRSCTP
import NIOCore
import NIOPosix

/// The one event loop on which all transports of a process run.
///
/// usrsctp is one stack per process: its timers call out for whichever association is due, on the thread that runs
/// them. One loop for everything makes locks unnecessary.
enum WebRTCEventLoop {
    static let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    static let loop: any EventLoop = group.next()
}

/// The process-wide usrsctp stack. Only touched on `WebRTCEventLoop`.
final class SCTPStack {
    // Safe: every access, including the callbacks of usrsctp (which runs no threads of its own here), happens on
    // `WebRTCEventLoop.loop`; `SCTPAssociation.init` checks this before anything else can reach the stack.
    nonisolated(unsafe) static let shared = SCTPStack()

    private let hasHardwareChecksum = pt_crc32c_has_hardware()
    /// Associations by handle. usrsctp is given these numbers in place of pointers, so a late callback for an
    /// association that is gone finds nothing instead of freed memory.
    private var associations: [UInt: SCTPAssociation] = [:]
    private var lastHandle: UInt = 0
    private var lastUsed: (handle: UInt, association: SCTPAssociation)?
    /// Associations to which a timer may bring something to drain.
    private var watched: [SCTPAssociation] = []
    private var timer: Scheduled<Void>?
    private var lastTick = NIODeadline.now()
    /// Ticks since any association last worked.
    private var quietTicks = 0

    /// The granularity of the stack's timers while anything is under way: its shortest is the acknowledgement delay.
    private static let interval = TimeAmount.milliseconds(10)
    /// And when for `quietLimit` ticks nothing was: only retransmissions that have backed off beyond that time can be
    /// pending. An idle process wakes up ten times a second for all its connections together.
    private static let quietInterval = TimeAmount.milliseconds(100)
    private static let quietLimit = 50

    private init() {
        usrsctp_init_nothreads(
            0,
            { address, packet, count, _, _ in
                guard let address, let packet else { return -1 }
                SCTPStack.shared.send(packet, count: count, for: UInt(bitPattern: address))
                return 0
            },
            nil
        )
        usrsctp_enable_crc32c_offload()
        usrsctp_sysctl_set_sctp_ecn_enable(0)
        usrsctp_sysctl_set_sctp_auth_enable(0)
        usrsctp_sysctl_set_sctp_asconf_enable(0)
        usrsctp_sysctl_set_sctp_auto_asconf(0)
        usrsctp_sysctl_set_sctp_pr_enable(1)
        usrsctp_sysctl_set_sctp_rto_min_default(200)
        usrsctp_sysctl_set_sctp_rto_initial_default(500)
        usrsctp_sysctl_set_sctp_init_rto_max_default(4_000)
        usrsctp_sysctl_set_sctp_rto_max_default(10_000)
        // Whether the peer is there, consent checks decide (RFC 7675). The stack would also give up a peer that is there but
        // does not read for a minute: it counts probes of a closed window as failures.
        usrsctp_sysctl_set_sctp_assoc_rtx_max_default(1_000)
        usrsctp_sysctl_set_sctp_max_chunks_on_queue(64 * 1024)
        usrsctp_sysctl_set_sctp_delayed_sack_time_default(20)
        usrsctp_sysctl_set_sctp_sack_freq_default(2)
        // A window that has grown for the few acknowledgements of a peer like this one (see `adaptAcknowledgements`):
        // by what they acknowledge, up to 16 packets each.
        usrsctp_sysctl_set_sctp_L2_abc_variable(16)
        // Every association has a socket of its own here, so the table for a socket's associations needs but one row.
        usrsctp_tunable_set_sctp_pcbtblsize(1)
        // Bursts are limited by the congestion window; the default of 4 packets per acknowledgement throttles a
        // receiver that acknowledges seldom.
        usrsctp_sysctl_set_sctp_max_burst_default(0)
    }

    func add(_ association: SCTPAssociation) -> UInt {
        self.lastHandle &+= 1
        self.associations[self.lastHandle] = association
        usrsctp_register_address(UnsafeMutableRawPointer(bitPattern: self.lastHandle))
        return self.lastHandle
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

    private func send(_ packet: UnsafeMutableRawPointer, count: Int, for handle: UInt) {
        guard let association = self.association(handle) else { return }
        let bytes = packet.assumingMemoryBound(to: UInt8.self)
        pt_sctp_write_checksum(bytes, count, self.hasHardwareChecksum)
        association.transmit(UnsafeRawBufferPointer(start: packet, count: count))
    }

    // MARK: - Timers

    /// Before anything goes into the stack: its clock is set, and its timers run in short steps for a while.
    func willWork() {
        if self.quietTicks >= Self.quietLimit || self.timer == nil {
            self.timer?.cancel()
            self.advance()
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
        self.timer = WebRTCEventLoop.loop.assumeIsolated().scheduleTask(in: delay) { self.tick() }
    }

    private func tick() {
        self.advance()
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

    /// Runs the stack's timers up to now.
    private func advance() {
        let now = NIODeadline.now()
        let elapsed = (now - self.lastTick).nanoseconds / 1_000_000
        guard elapsed > 0 else { return }
        self.lastTick = self.lastTick + .milliseconds(elapsed)
        usrsctp_handle_timers(UInt32(clamping: elapsed))
    }
}
