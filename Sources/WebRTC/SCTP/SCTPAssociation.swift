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
        /// An earlier reset was refused or could not be sent: try again.
        case resetFailed
        case down(String)
    }

    enum SendResult {
        case sent
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
    }

    var output: (UnsafeRawBufferPointer) -> Void
    /// Called from the stack's timer when there may be something to drain.
    let onWork: () -> Void
    private let configuration: Configuration
    private var socket: OpaquePointer?
    private(set) var handle: UInt = 0
    private var isReadable = false
    /// Messages handed to usrsctp and not yet all put on the wire, oldest first.
    private var handed = CircularBuffer<(stream: UInt16, bytes: Int)>(initialCapacity: 16)
    private var partial: (stream: UInt16, ppid: UInt32, buffer: ByteBuffer)?
    private var spare: ByteBuffer?
    private var sizeHint = 2048
    private var isDown = false
    private var packetsThisTick = 0
    private var acknowledgementFrequency = 2

    init(
        configuration: Configuration,
        output: @escaping (UnsafeRawBufferPointer) -> Void,
        onWork: @escaping () -> Void
    ) {
        WebRTCEventLoop.loop.preconditionInEventLoop()
        self.configuration = configuration
        self.output = output
        self.onWork = onWork
    }

    var bufferSizes: (send: Int, receive: Int) { (self.configuration.sendBuffer, self.configuration.receiveBuffer) }
    var remotePort: UInt16 { self.configuration.remotePort }
    var pathMTU: Int { self.configuration.pathMTU }
    var hasWork: Bool { self.isReadable || !self.handed.isEmpty }

    /// Binds and connects: both sides do, and the two handshakes merge (RFC 8831 section 6.2).
    func start() -> Bool {
        self.handle = SCTPStack.shared.add(self)
        let argument = UnsafeMutableRawPointer(bitPattern: self.handle)
        guard let socket = usrsctp_socket(AF_CONN, Self.streamType, Int32(IPPROTO_SCTP), nil, nil, 0, nil) else {
            return false
        }
        self.socket = socket
        usrsctp_set_non_blocking(socket, 1)
        usrsctp_set_upcall(
            socket,
            { _, argument, _ in
                SCTPStack.shared.association(UInt(bitPattern: argument))?.isReadable = true
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
        usrsctp_conninput(UnsafeMutableRawPointer(bitPattern: self.handle), packet.baseAddress, packet.count, 0)
    }

    /// Aborts the association. Idempotent.
    func close() {
        guard let socket = self.socket else { return }
        self.socket = nil
        self.isReadable = false
        usrsctp_close(socket)
        SCTPStack.shared.remove(self.handle)
    }

    #if canImport(Glibc)
    private static let streamType = Int32(SOCK_STREAM.rawValue)
    #else
    private static let streamType = SOCK_STREAM
    #endif

    // MARK: - Sending

    func send(_ message: ByteBuffer, stream: UInt16, ppid: UInt32, reliability: DataChannelReliability, ordered: Bool)
        -> SendResult
    {
        guard let socket = self.socket else { return .failed(ENOTCONN) }
        var info = sctp_sendv_spa()
        info.sendv_flags = UInt32(SCTP_SEND_SNDINFO_VALID)
        info.sendv_sndinfo.snd_sid = stream
        info.sendv_sndinfo.snd_ppid = ppid.bigEndian
        info.sendv_sndinfo.snd_flags = UInt16(SCTP_EOR) | (ordered ? 0 : UInt16(SCTP_UNORDERED))
        switch reliability {
        case .reliable:
            break
        case .maxRetransmits(let count):
            info.sendv_flags |= UInt32(SCTP_SEND_PRINFO_VALID)
            info.sendv_prinfo.pr_policy = UInt16(SCTP_PR_SCTP_RTX)
            info.sendv_prinfo.pr_value = UInt32(count)
        case .maxPacketLifeTime(let milliseconds):
            info.sendv_flags |= UInt32(SCTP_SEND_PRINFO_VALID)
            info.sendv_prinfo.pr_policy = UInt16(SCTP_PR_SCTP_TTL)
            info.sendv_prinfo.pr_value = UInt32(milliseconds)
        }
        let result = message.withUnsafeReadableBytes { bytes in
            usrsctp_sendv(
                socket,
                bytes.baseAddress,
                bytes.count,
                nil,
                0,
                &info,
                socklen_t(MemoryLayout<sctp_sendv_spa>.size),
                UInt32(SCTP_SENDV_SPA),
                0
            )
        }
        if result >= 0 {
            self.handed.append((stream, message.readableBytes))
            return .sent
        }
        return errno == EWOULDBLOCK || errno == EAGAIN ? .wouldBlock : .failed(errno)
    }

    /// Whether anything handed over has not been acknowledged by the peer's stack.
    var hasUnacknowledgedData: Bool {
        guard let status = self.status else { return false }
        return status.sstat_penddata > 0 || status.sstat_unackdata > 0
    }

    private var status: sctp_status? {
        guard let socket = self.socket else { return nil }
        var status = sctp_status()
        var length = socklen_t(MemoryLayout<sctp_status>.size)
        let result = usrsctp_getsockopt(socket, Int32(IPPROTO_SCTP), Int32(SCTP_STATUS), &status, &length)
        return result == 0 ? status : nil
    }

    /// Reports messages whose last byte has gone to the network since the last call.
    func drainTransmitted(_ body: (_ stream: UInt16, _ bytes: Int) -> Void) {
        guard !self.handed.isEmpty, let status = self.status else { return }
        while self.handed.count > Int(status.sstat_penddata), let first = self.handed.popFirst() {
            body(first.stream, first.bytes)
        }
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

    /// Smoothed round trip time as SCTP measures it, in milliseconds, and the congestion window in bytes.
    var pathStatus: (roundTrip: UInt32, window: UInt32)? {
        guard let socket = self.socket else { return nil }
        var status = sctp_status()
        var length = socklen_t(MemoryLayout<sctp_status>.size)
        guard usrsctp_getsockopt(socket, Int32(IPPROTO_SCTP), Int32(SCTP_STATUS), &status, &length) == 0 else {
            return nil
        }
        return (status.sstat_primary.spinfo_srtt, status.sstat_primary.spinfo_cwnd)
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
            var buffer = self.partial?.buffer ?? self.spare ?? ByteBufferAllocator().buffer(capacity: self.sizeHint)
            self.partial?.buffer = ByteBuffer()
            self.spare = nil
            var received = Received()
            buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: 1024) { bytes in
                max(0, received.read(from: socket, into: bytes))
            }
            guard received.count > 0 else {
                self.isReadable = false
                if self.partial == nil { self.spare = buffer } else { self.partial?.buffer = buffer }
                guard !self.isDown, received.error != EWOULDBLOCK, received.error != EAGAIN else { return nil }
                self.isDown = true
                return .down("the SCTP association ended")
            }
            if let event = self.take(received, buffer) { return event }
        }
        return nil
    }

    private func take(_ received: Received, _ buffer: ByteBuffer) -> Event? {
        if received.isNotification {
            let event = self.parse(notification: buffer)
            self.partial?.buffer = ByteBuffer()
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
        if flags & (SCTP_STREAM_RESET_DENIED | SCTP_STREAM_RESET_FAILED) != 0 { return .resetFailed }
        if flags & SCTP_STREAM_RESET_INCOMING_SSN != 0 { return .incomingReset(streams) }
        if flags & SCTP_STREAM_RESET_OUTGOING_SSN != 0 { return .outgoingReset(streams) }
        return nil
    }
}
