import CUSRSCTP
import NIOCore

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// One SCTP association over DTLS (RFC 8261) on the process-wide usrsctp stack.
///
/// Packets in through `receive`, packets out through `output`, which usrsctp calls synchronously from `receive`,
/// `send` and its timers. Everything else is drained with `nextEvent()`: usrsctp never calls into application code.
final class SCTPAssociation {
    enum Event {
        case up(streams: Int)
        case message(stream: UInt16, ppid: UInt32, ByteBuffer)
        /// The peer has closed these streams (RFC 6525 section 4.1). Empty: all of them.
        case incomingReset([UInt16])
        /// These streams of ours are closed.
        case outgoingReset([UInt16])
        /// The peer refused to take note of these resets, or did not answer.
        case resetFailed([UInt16])
        case down(String)
    }

    enum SendResult {
        case sent
        /// So many bytes were taken; the rest has to follow before any other message.
        case partly(Int)
        /// The send buffer is full.
        case wouldBlock
        case failed(Int32)
    }

    struct Configuration {
        var localPort: UInt16
        var remotePort: UInt16
        /// Bytes an SCTP packet may have after its common header.
        var pathMTU: Int
        var sendBuffer: Int
        var receiveBuffer: Int
        var maximumMessageSize: Int
        /// Streams asked for and accepted.
        var streams: UInt16
    }

    var output: (UnsafeRawBufferPointer) -> Void
    /// Called from the stack's timer when there may be something to drain.
    let onWork: () -> Void
    let configuration: Configuration
    /// Where it lives; usrsctp calls back there.
    let shard: SCTPShard
    private(set) var socket: OpaquePointer?
    private(set) var handle: UInt = 0
    private var isReadable = false
    /// Messages handed to usrsctp and not yet all put on the wire, oldest first.
    var handed = CircularBuffer<(stream: UInt16, bytes: Int)>()
    var handedBytes = 0
    /// The message of which only a part fitted into the send buffer. Its fragments have to leave one after the other
    /// (RFC 9260 section 6.9), so until it is whole nothing else can be sent.
    var openMessage: (stream: UInt16, ppid: UInt32, isOrdered: Bool)?
    var mustEndOpenMessage = false
    /// Several channels share the association: what SCTP has queued can no longer be overtaken by what matters more, so
    /// little is queued there.
    var isShared = false
    private var partial: (stream: UInt16, ppid: UInt32, buffer: ByteBuffer)?
    private var sizeHint = 2048
    private(set) var retransmissions = RetransmissionCounter()
    /// In the stack's list of those that its timers have to look after.
    var isWatched = false
    private var isDown = false
    private var packetsThisTick = 0
    private var acknowledgementFrequency = 2

    init(
        shard: SCTPShard,
        configuration: Configuration,
        output: @escaping (UnsafeRawBufferPointer) -> Void,
        onWork: @escaping () -> Void
    ) {
        shard.eventLoop.preconditionInEventLoop()
        self.shard = shard
        self.configuration = configuration
        self.output = output
        self.onWork = onWork
    }

    var bufferSizes: (send: Int, receive: Int) { (self.configuration.sendBuffer, self.configuration.receiveBuffer) }
    var remotePort: UInt16 { self.configuration.remotePort }
    var pathMTU: Int { self.configuration.pathMTU }
    var streams: UInt16 { self.configuration.streams }
    var hasWork: Bool {
        self.socket != nil && (self.isReadable || !self.handed.isEmpty || self.openMessage != nil)
    }

    /// Binds and connects: both sides do, and the two handshakes merge (RFC 8831 section 6.2).
    func start() -> Bool {
        self.handle = self.shard.add(self)
        self.shard.willWork()
        let argument = UnsafeMutableRawPointer(bitPattern: self.handle)
        guard let socket = usrsctp_socket(AF_CONN, Self.streamType, Int32(IPPROTO_SCTP), nil, nil, 0, nil) else {
            return false
        }
        self.socket = socket
        usrsctp_set_non_blocking(socket, 1)
        usrsctp_set_upcall(
            socket,
            { _, argument, _ in
                SCTPStack.shared.becomeReadable(UInt(bitPattern: argument))
            },
            argument
        )
        self.configure(socket)
        var local = self.address(port: self.configuration.localPort)
        var remote = self.address(port: self.configuration.remotePort)
        let length = socklen_t(MemoryLayout<sockaddr_conn>.size)
        let bound = withUnsafeMutablePointer(to: &local) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { usrsctp_bind(socket, $0, length) }
        }
        guard bound == 0 else { return false }
        let connected = withUnsafeMutablePointer(to: &remote) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { usrsctp_connect(socket, $0, length) }
        }
        guard connected == 0 || errno == EINPROGRESS else { return false }
        self.setPathMTU(socket)
        return true
    }

    /// Takes one packet, already decrypted. Its checksum is not verified: DTLS authenticated every bit of it.
    func receive(_ packet: UnsafeRawBufferPointer) {
        self.packetsThisTick += 1
        self.shard.willWork()
        usrsctp_conninput(UnsafeMutableRawPointer(bitPattern: self.handle), packet.baseAddress, packet.count, 0)
    }

    /// Aborts the association. Idempotent.
    func close() {
        guard let socket = self.socket else { return }
        self.socket = nil
        self.isReadable = false
        usrsctp_close(socket)
        self.shard.remove(self.handle)
    }

    #if canImport(Glibc)
    private static let streamType = Int32(SOCK_STREAM.rawValue)
    #else
    private static let streamType = SOCK_STREAM
    #endif

    /// Whether anything handed over has not been acknowledged by the peer's stack.
    var hasUnacknowledgedData: Bool {
        guard let status = self.status else { return false }
        return status.sstat_penddata > 0 || status.sstat_unackdata > 0
    }

    var status: sctp_status? {
        guard let socket = self.socket else { return nil }
        var status = sctp_status()
        var length = socklen_t(MemoryLayout<sctp_status>.size)
        let result = usrsctp_getsockopt(socket, Int32(IPPROTO_SCTP), Int32(SCTP_STATUS), &status, &length)
        return result == 0 ? status : nil
    }

    /// Reports messages whose last byte has gone to the network since the last call. False when there were none.
    @discardableResult
    func drainTransmitted(_ body: (_ stream: UInt16, _ bytes: Int) -> Void) -> Bool {
        if self.mustEndOpenMessage { self.endOpenMessage() }
        guard !self.handed.isEmpty, let status = self.status else { return false }
        let before = self.handed.count
        // An open message counts as pending, too.
        let pending = Int(status.sstat_penddata) - (self.openMessage == nil ? 0 : 1)
        while self.handed.count > pending, let first = self.handed.popFirst() {
            self.handedBytes -= first.bytes
            body(first.stream, first.bytes)
        }
        return self.handed.count < before
    }

    /// The stack has something to read. On the loop of the shard.
    func becomeReadable() {
        self.isReadable = true
        self.shard.watch(self)
    }

    /// A packet of the stack's, checksum included.
    func transmit(_ packet: UnsafeRawBufferPointer) {
        self.retransmissions.count(packet)
        self.output(packet)
    }

    /// Closes outgoing streams (RFC 6525). False when a reset is already under way: try again after the next event.
    func reset(_ streams: [UInt16]) -> Bool {
        guard let socket = self.socket, !streams.isEmpty else { return true }
        // struct sctp_reset_streams ends in a flexible array, which Swift does not import.
        let header = MemoryLayout<sctp_reset_streams>.size
        let count = header + streams.count * 2
        return withUnsafeTemporaryAllocation(byteCount: count, alignment: 8) { bytes in
            bytes.initializeMemory(as: UInt8.self, repeating: 0)
            bytes.storeBytes(of: UInt16(SCTP_STREAM_RESET_OUTGOING), toByteOffset: 4, as: UInt16.self)
            bytes.storeBytes(of: UInt16(clamping: streams.count), toByteOffset: 6, as: UInt16.self)
            for (index, stream) in streams.enumerated() {
                bytes.storeBytes(of: stream, toByteOffset: 8 + index * 2, as: UInt16.self)
            }
            let option = Int32(SCTP_RESET_STREAMS)
            let result = usrsctp_setsockopt(
                socket,
                Int32(IPPROTO_SCTP),
                option,
                bytes.baseAddress,
                socklen_t(count)
            )
            return result == 0
        }
    }

    // MARK: - Receiving

    /// On a short path, acknowledges about twice a burst instead of every second packet (RFC 9260 section 6.2 says
    /// SHOULD): with bursts of a hundred, acknowledgements were a tenth of the work on both sides. A sender with a small
    /// window sends small bursts, and is acknowledged as usual, so that it never waits for the timer of the delayed
    /// acknowledgement. On a long path, where a sender's window grows with the number of acknowledgements, nothing
    /// is thinned out.
    func adaptAcknowledgements(isShortPath: Bool) {
        let packets = self.packetsThisTick
        self.packetsThisTick = 0
        guard packets > 0, let socket = self.socket else { return }
        let wanted = isShortPath ? max(2, min(packets / 2, 64)) : 2
        guard wanted < self.acknowledgementFrequency || wanted >= self.acknowledgementFrequency * 2 else { return }
        self.acknowledgementFrequency = wanted
        self.setAcknowledgementFrequency(socket, wanted)
    }

    /// The next thing that happened, or nil when all has been drained.
    func nextEvent() -> Event? {
        while self.isReadable, let socket = self.socket {
            var buffer = self.partial?.buffer ?? self.takeSpare(capacity: self.sizeHint)
            self.partial?.buffer = ByteBuffer()
            var received = Received()
            buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: 1024) { bytes in
                max(0, received.read(from: socket, into: bytes))
            }
            guard received.count > 0 else {
                self.isReadable = false
                if self.partial == nil { self.shard.spare = buffer } else { self.partial?.buffer = buffer }
                guard !self.isDown, received.error != EWOULDBLOCK, received.error != EAGAIN else { return nil }
                self.isDown = true
                return .down("the SCTP association ended")
            }
            if let event = self.take(received, buffer) { return event }
        }
        return nil
    }

    private func takeSpare(capacity: Int) -> ByteBuffer {
        let buffer = self.shard.spare
        guard buffer.writableBytes >= capacity, buffer.writableBytes <= capacity * 4 else {
            return ByteBufferAllocator().buffer(capacity: capacity)
        }
        self.shard.spare = ByteBuffer()
        return buffer
    }

    private func take(_ received: Received, _ buffer: ByteBuffer) -> Event? {
        if received.isNotification {
            // It may have been read behind the part of a message that is still to be completed.
            let start = buffer.writerIndex - received.count
            let event = buffer.getSlice(at: start, length: received.count).flatMap { self.parse(notification: $0) }
            if self.partial != nil {
                self.partial?.buffer = buffer
                self.partial?.buffer.moveWriterIndex(to: start)
            }
            return event
        }
        guard buffer.readableBytes <= self.configuration.maximumMessageSize else {
            self.partial = nil
            self.isDown = true
            return .down("the peer sent a message larger than \(self.configuration.maximumMessageSize) bytes")
        }
        guard received.isComplete else {
            self.partial = (received.stream, received.ppid, buffer)
            return nil
        }
        self.partial = nil
        self.sizeHint = max(512, buffer.readableBytes)
        return .message(stream: received.stream, ppid: received.ppid, buffer)
    }

    /// One call of `usrsctp_recvv`.
    private struct Received {
        var count = 0
        var stream: UInt16 = 0
        var ppid: UInt32 = 0
        var isComplete = false
        var isNotification = false
        var error: Int32 = 0

        mutating func read(from socket: OpaquePointer, into bytes: UnsafeMutableRawBufferPointer) -> Int {
            var info = sctp_rcvinfo()
            var infoLength = socklen_t(MemoryLayout<sctp_rcvinfo>.size)
            var infoType: UInt32 = 0
            var flags: Int32 = 0
            self.count = usrsctp_recvv(
                socket,
                bytes.baseAddress,
                bytes.count,
                nil,
                nil,
                &info,
                &infoLength,
                &infoType,
                &flags
            )
            if self.count < 0 { self.error = errno }
            self.stream = info.rcv_sid
            self.ppid = UInt32(bigEndian: info.rcv_ppid)
            self.isComplete = flags & Int32(MSG_EOR) != 0
            self.isNotification = flags & Int32(MSG_NOTIFICATION) != 0
            return self.count
        }
    }

    private func parse(notification: ByteBuffer) -> Event? {
        notification.withUnsafeReadableBytes { bytes -> Event? in
            guard bytes.count >= 8 else { return nil }
            switch Int32(bytes.loadUnaligned(as: UInt16.self)) {
            case SCTP_ASSOC_CHANGE:
                guard bytes.count >= 16, !self.isDown else { return nil }
                switch Int32(bytes.loadUnaligned(fromByteOffset: 8, as: UInt16.self)) {
                case SCTP_COMM_UP:
                    return .up(streams: Int(bytes.loadUnaligned(fromByteOffset: 12, as: UInt16.self)))
                case SCTP_RESTART:
                    // Streams begin anew under channels that go on: no honest data channel stack does this.
                    self.isDown = true
                    return .down("the peer restarted the SCTP association")
                default:
                    self.isDown = true
                    return .down("the SCTP association was lost")
                }
            case SCTP_SHUTDOWN_EVENT:
                guard !self.isDown else { return nil }
                self.isDown = true
                return .down("the peer shut the SCTP association down")
            case SCTP_STREAM_RESET_EVENT:
                return Self.parseReset(bytes)
            case SCTP_PARTIAL_DELIVERY_EVENT:
                self.partial = nil
                return nil
            default:
                return nil
            }
        }
    }

    private static func parseReset(_ bytes: UnsafeRawBufferPointer) -> Event? {
        let flags = Int32(bytes.loadUnaligned(fromByteOffset: 2, as: UInt16.self))
        var streams: [UInt16] = []
        var offset = 12
        while offset + 2 <= bytes.count {
            streams.append(bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
            offset += 2
        }
        if flags & (SCTP_STREAM_RESET_DENIED | SCTP_STREAM_RESET_FAILED) != 0 { return .resetFailed(streams) }
        if flags & SCTP_STREAM_RESET_INCOMING_SSN != 0 { return .incomingReset(streams) }
        if flags & SCTP_STREAM_RESET_OUTGOING_SSN != 0 { return .outgoingReset(streams) }
        return nil
    }
}
