import CUSRSCTP
import NIOCore

@testable import SCTP

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// usrsctp as a peer, in virtual time. It is process-global: one at a time, as the suite that uses it is serialized.
final class ForeignPeer {
    // Safe: only one test at a time has such a peer, and it lives on that test's thread.
    nonisolated(unsafe) private static var outgoing: [[UInt8]] = []
    nonisolated(unsafe) private static var lastHandle: UInt = 0

    private static let isReady: Void = {
        usrsctp_init_nothreads(
            0,
            { _, packet, count, _, _ in
                guard let packet else { return -1 }
                ForeignPeer.outgoing.append(Array(UnsafeRawBufferPointer(start: packet, count: count)))
                return 0
            },
            nil
        )
        usrsctp_sysctl_set_sctp_ecn_enable(0)
        usrsctp_sysctl_set_sctp_auth_enable(0)
        usrsctp_sysctl_set_sctp_asconf_enable(0)
        usrsctp_sysctl_set_sctp_rto_min_default(200)
        usrsctp_sysctl_set_sctp_rto_max_default(3_000)
        usrsctp_sysctl_set_sctp_init_rto_max_default(3_000)
        usrsctp_sysctl_set_sctp_max_retran_chunk(0)
        usrsctp_sysctl_set_sctp_assoc_rtx_max_default(1_000)
        // After five time-outs in a row it would give up its only path, and the messages it has taken, without a word.
        usrsctp_sysctl_set_sctp_path_rtx_max_default(1_000)
    }()

    private(set) var messages: [(stream: UInt16, payload: [UInt8])] = []
    /// Streams that the other side has reset.
    private(set) var resetStreams: [UInt16] = []
    private var partial: [UInt8] = []
    private var unsent: ArraySlice<(stream: UInt16, payload: [UInt8])> = []
    private let socket: OpaquePointer
    private let address: UnsafeMutableRawPointer?

    init() throws {
        _ = Self.isReady
        Self.lastHandle += 1
        Self.outgoing = []
        let address = UnsafeMutableRawPointer(bitPattern: Self.lastHandle)
        usrsctp_register_address(address)
        #if canImport(Glibc)
        let type = Int32(SOCK_STREAM.rawValue)
        #else
        let type = SOCK_STREAM
        #endif
        guard let socket = usrsctp_socket(AF_CONN, type, Int32(IPPROTO_SCTP), nil, nil, 0, nil) else {
            throw NoSocket()
        }
        self.socket = socket
        self.address = address
        self.configure()
        self.withAddress { _ = usrsctp_bind(socket, $0, $1) }
    }

    struct NoSocket: Error {}

    deinit {
        usrsctp_close(self.socket)
        usrsctp_deregister_address(self.address)
    }

    private func configure() {
        usrsctp_set_non_blocking(self.socket, 1)
        self.set(SOL_SOCKET, SO_LINGER, linger(l_onoff: 1, l_linger: 0))
        self.set(SOL_SOCKET, SO_SNDBUF, Int32(1 << 20))
        self.set(SOL_SOCKET, SO_RCVBUF, Int32(1 << 20))
        let sctp = Int32(IPPROTO_SCTP)
        self.set(sctp, SCTP_NODELAY, Int32(1))
        self.set(sctp, SCTP_RECVRCVINFO, Int32(1))
        let resets = UInt32(SCTP_ENABLE_RESET_STREAM_REQ)
        self.set(sctp, SCTP_ENABLE_STREAM_RESET, sctp_assoc_value(assoc_id: 0, assoc_value: resets))
        let event = sctp_event(
            se_assoc_id: sctp_assoc_t(SCTP_FUTURE_ASSOC),
            se_type: UInt16(SCTP_STREAM_RESET_EVENT),
            se_on: 1
        )
        self.set(sctp, SCTP_EVENT, event)
    }

    private func set<Value: BitwiseCopyable>(_ level: Int32, _ option: Int32, _ value: Value) {
        withUnsafeBytes(of: value) { bytes in
            _ = usrsctp_setsockopt(self.socket, level, option, bytes.baseAddress, socklen_t(bytes.count))
        }
    }

    private func withAddress(_ body: (UnsafeMutablePointer<sockaddr>, socklen_t) -> Void) {
        var address = sockaddr_conn()
        #if canImport(Darwin)
        address.sconn_len = UInt8(MemoryLayout<sockaddr_conn>.size)
        address.sconn_family = UInt8(AF_CONN)
        #else
        address.sconn_family = UInt16(AF_CONN)
        #endif
        address.sconn_port = UInt16(5000).bigEndian
        address.sconn_addr = self.address
        withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_conn>.size))
            }
        }
    }

    // MARK: - What a test does with it

    func connect() {
        self.withAddress { _ = usrsctp_connect(self.socket, $0, $1) }
        var parameters = sctp_paddrparams()
        self.withAddress { source, length in
            withUnsafeMutableBytes(of: &parameters.spp_address) {
                $0.copyMemory(from: UnsafeRawBufferPointer(start: source, count: Int(length)))
            }
        }
        parameters.spp_flags = UInt32(SPP_PMTUD_DISABLE | SPP_HB_DISABLE)
        parameters.spp_pathmtu = 1_151
        self.set(Int32(IPPROTO_SCTP), SCTP_PEER_ADDR_PARAMS, parameters)
    }

    /// Queues an ordered, reliable message.
    func send(_ payload: [UInt8], stream: UInt16) {
        self.unsent.append((stream, payload))
    }

    func receive(_ packet: [UInt8]) {
        packet.withUnsafeBytes { usrsctp_conninput(self.address, $0.baseAddress, $0.count, 0) }
    }

    /// A millisecond passes. Returns what leaves.
    func tick() -> [[UInt8]] {
        usrsctp_handle_timers(1)
        self.read()
        while let first = self.unsent.first, self.hand(first.payload, stream: first.stream) {
            _ = self.unsent.popFirst()
        }
        defer { Self.outgoing = [] }
        return Self.outgoing
    }

    private func hand(_ payload: [UInt8], stream: UInt16) -> Bool {
        var info = sctp_sndinfo()
        info.snd_sid = stream
        info.snd_ppid = UInt32(53).bigEndian
        let length = socklen_t(MemoryLayout<sctp_sndinfo>.size)
        let kind = UInt32(SCTP_SENDV_SNDINFO)
        return usrsctp_sendv(self.socket, payload, payload.count, nil, 0, &info, length, kind, 0) == payload.count
    }

    private func read() {
        while true {
            var info = sctp_rcvinfo()
            var infoLength = socklen_t(MemoryLayout<sctp_rcvinfo>.size)
            var infoType: UInt32 = 0
            var flags: Int32 = 0
            var memory = [UInt8](repeating: 0, count: 1 << 16)
            let room = memory.count
            let count = usrsctp_recvv(self.socket, &memory, room, nil, nil, &info, &infoLength, &infoType, &flags)
            guard count > 0 else { return }
            self.partial += memory[..<count]
            guard flags & Int32(MSG_EOR) != 0 else { continue }
            if flags & Int32(MSG_NOTIFICATION) == 0 {
                self.messages.append((info.rcv_sid, self.partial))
            } else {
                self.noteReset(self.partial)
            }
            self.partial = []
        }
    }

    /// `struct sctp_stream_reset_event`.
    private func noteReset(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { event in
            guard event.count >= 12, event.loadUnaligned(as: UInt16.self) == UInt16(SCTP_STREAM_RESET_EVENT),
                Int32(event.loadUnaligned(fromByteOffset: 2, as: UInt16.self)) & SCTP_STREAM_RESET_INCOMING_SSN != 0
            else { return }
            for offset in stride(from: 12, to: event.count - 1, by: 2) {
                self.resetStreams.append(event.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
            }
        }
    }
}
