import CUSRSCTP

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

// The socket options of an association. A refused option is not an error: each only makes things faster or safer.
extension SCTPAssociation {
    func configure(_ socket: OpaquePointer) {
        // Closing aborts at once: who wants everything delivered closes the channels first.
        Self.set(socket, SOL_SOCKET, SO_LINGER, linger(l_onoff: 1, l_linger: 0))
        Self.set(socket, SOL_SOCKET, SO_SNDBUF, Int32(clamping: self.bufferSizes.send))
        Self.set(socket, SOL_SOCKET, SO_RCVBUF, Int32(clamping: self.bufferSizes.receive))
        let sctp = Int32(IPPROTO_SCTP)
        Self.set(socket, sctp, SCTP_NODELAY, Int32(1))
        Self.set(socket, sctp, SCTP_RECVRCVINFO, Int32(1))
        // A message may be larger than the send buffer: it is then handed over in parts.
        Self.set(socket, sctp, SCTP_EXPLICIT_EOR, Int32(1))
        // In the order handed over: the connection decides whose turn it is, and knows what has left.
        let order = sctp_assoc_value(assoc_id: 0, assoc_value: UInt32(SCTP_SS_FIRST_COME))
        Self.set(socket, sctp, SCTP_PLUGGABLE_SS, order)
        Self.set(
            socket,
            sctp,
            SCTP_INITMSG,
            sctp_initmsg(
                sinit_num_ostreams: self.streams,
                sinit_max_instreams: self.streams,
                sinit_max_attempts: 0,
                sinit_max_init_timeo: 0
            )
        )
        let resets = UInt32(SCTP_ENABLE_RESET_STREAM_REQ)
        Self.set(socket, sctp, SCTP_ENABLE_STREAM_RESET, sctp_assoc_value(assoc_id: 0, assoc_value: resets))
        for event in [
            SCTP_ASSOC_CHANGE, SCTP_SHUTDOWN_EVENT, SCTP_STREAM_RESET_EVENT, SCTP_PARTIAL_DELIVERY_EVENT,
        ] {
            Self.set(
                socket,
                sctp,
                SCTP_EVENT,
                sctp_event(se_assoc_id: sctp_assoc_t(SCTP_FUTURE_ASSOC), se_type: UInt16(event), se_on: 1)
            )
        }
    }

    /// Fixes the packet size: path MTU discovery has nothing to discover behind DTLS.
    func setPathMTU(_ socket: OpaquePointer) {
        var parameters = sctp_paddrparams()
        var remote = self.address(port: self.remotePort)
        withUnsafeMutableBytes(of: &parameters.spp_address) { target in
            withUnsafeBytes(of: &remote) { target.copyMemory(from: $0) }
        }
        // A heartbeat would only repeat what consent checks do already.
        parameters.spp_flags = UInt32(SPP_PMTUD_DISABLE | SPP_HB_DISABLE)
        parameters.spp_pathmtu = UInt32(clamping: self.pathMTU)
        Self.set(socket, Int32(IPPROTO_SCTP), SCTP_PEER_ADDR_PARAMS, parameters)
    }

    func setAcknowledgementFrequency(_ socket: OpaquePointer, _ packets: Int) {
        let info = sctp_sack_info(sack_assoc_id: 0, sack_delay: 20, sack_freq: UInt32(clamping: packets))
        Self.set(socket, Int32(IPPROTO_SCTP), SCTP_DELAYED_SACK, info)
    }

    func address(port: UInt16) -> sockaddr_conn {
        var address = sockaddr_conn()
        #if canImport(Darwin)
        address.sconn_len = UInt8(MemoryLayout<sockaddr_conn>.size)
        address.sconn_family = UInt8(AF_CONN)
        #else
        address.sconn_family = UInt16(AF_CONN)
        #endif
        address.sconn_port = port.bigEndian
        address.sconn_addr = UnsafeMutableRawPointer(bitPattern: self.handle)
        return address
    }

    private static func set<Value: BitwiseCopyable>(
        _ socket: OpaquePointer,
        _ level: Int32,
        _ option: Int32,
        _ value: Value
    ) {
        withUnsafeBytes(of: value) { bytes in
            _ = usrsctp_setsockopt(socket, level, option, bytes.baseAddress, socklen_t(bytes.count))
        }
    }
}
