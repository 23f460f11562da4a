import CUSRSCTP
import NIOCore
import Synchronization

/// The process-wide usrsctp stack, entered from all event loops.
///
/// Each association lives on one loop: packets go into it and messages are read from it there, and what it sends in
/// return leaves from there. The stack locks what loops share. Only its timers are everybody's: whichever loop runs them
/// may thereby send for an association of another, or wake it; both are handed to the loop it lives on.
final class SCTPStack: Sendable {
    static let shared = SCTPStack()
    /// The number of a shard is part of every association's handle.
    static let maximumShards = 1 << shardBits
    private static let shardBits = 6

    private let hasHardwareChecksum = pt_crc32c_has_hardware()
    // Safe: the list never changes, and what a shard holds is only touched on its loop.
    nonisolated(unsafe) private let shards: [SCTPShard]
    /// Until when the stack's timers have run.
    private let clock = Mutex(NIODeadline.now())

    private init() {
        self.shards = WebRTCEventLoop.all.enumerated().map { SCTPShard(index: $0.offset, eventLoop: $0.element) }
        usrsctp_init_nothreads(
            0,
            { address, packet, count, _, _ in
                guard let address, let packet else { return -1 }
                SCTPStack.shared.send(packet, count: count, for: UInt(bitPattern: address))
                return 0
            },
            nil
        )
        Self.configure()
    }

    private static func configure() {
        usrsctp_enable_crc32c_offload()
        usrsctp_sysctl_set_sctp_ecn_enable(0)
        usrsctp_sysctl_set_sctp_auth_enable(0)
        usrsctp_sysctl_set_sctp_asconf_enable(0)
        usrsctp_sysctl_set_sctp_auto_asconf(0)
        usrsctp_sysctl_set_sctp_pr_enable(1)
        usrsctp_sysctl_set_sctp_rto_min_default(200)
        usrsctp_sysctl_set_sctp_rto_initial_default(500)
        // Backing off further, as RFC 9260 section 16 has it (a minute), would spare the network nothing where consent
        // checks end a dead path after 30 s, and a path that comes back would lie idle for as long. libwebrtc caps its
        // timers at 3 s, too.
        usrsctp_sysctl_set_sctp_init_rto_max_default(3_000)
        usrsctp_sysctl_set_sctp_rto_max_default(3_000)
        // Whether the peer is there, consent checks decide (RFC 7675). The stack would also give up a peer that is there but
        // does not read for a minute: it counts probes of a closed window as failures.
        usrsctp_sysctl_set_sctp_assoc_rtx_max_default(1_000)
        // Nor does it give up for one chunk. A slow peer whose buffer is full drops what it gets: aiortc was seen to make
        // the stack send the same chunk more than the default of 30 times within a second.
        usrsctp_sysctl_set_sctp_max_retran_chunk(0)
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

    /// What lives on a loop. The loop has to be one of `WebRTCEventLoop.all`.
    func shard(of eventLoop: any EventLoop) -> SCTPShard {
        // Cannot be reached from outside: a transport is bound with a `WebRTCEventLoopChoice` or by a group, and both take
        // their loops from that list.
        guard let shard = self.shards.first(where: { $0.eventLoop === eventLoop }) else {
            preconditionFailure("the event loop is not one of WebRTCEventLoop.all")
        }
        return shard
    }

    /// A handle that `shard(_:)` finds the shard by.
    static func handle(number: UInt, shard: Int) -> UInt { number << Self.shardBits | UInt(shard) }

    private func shard(_ handle: UInt) -> SCTPShard? {
        let index = Int(handle & UInt(Self.maximumShards - 1))
        return index < self.shards.count ? self.shards[index] : nil
    }

    /// A packet of the stack's, on whatever loop.
    private func send(_ packet: UnsafeMutableRawPointer, count: Int, for handle: UInt) {
        guard let shard = self.shard(handle) else { return }
        pt_sctp_write_checksum(packet.assumingMemoryBound(to: UInt8.self), count, self.hasHardwareChecksum)
        let bytes = UnsafeRawBufferPointer(start: packet, count: count)
        if shard.eventLoop.inEventLoop { return shard.transmit(bytes, for: handle) }
        let copy = ByteBuffer(bytes: bytes)
        shard.onLoop { shard in copy.withUnsafeReadableBytes { shard.transmit($0, for: handle) } }
    }

    /// There is something to read, says the stack, on whatever loop.
    func becomeReadable(_ handle: UInt) {
        guard let shard = self.shard(handle) else { return }
        if shard.eventLoop.inEventLoop {
            shard.association(handle)?.becomeReadable()
        } else {
            shard.onLoop { $0.association(handle)?.becomeReadable() }
        }
    }

    /// Runs the stack's timers up to now, unless another loop is just doing so.
    func advance() {
        self.clock.withLockIfAvailable { last in
            let elapsed = (NIODeadline.now() - last).nanoseconds / 1_000_000
            guard elapsed > 0 else { return }
            last = last + .milliseconds(elapsed)
            usrsctp_handle_timers(UInt32(clamping: elapsed))
        }
    }
}
