import COpenSSL

/// The I/O of one DTLS session: one received datagram to read from, and a sink to write to. A memory BIO of OpenSSL's
/// would join datagrams; this one keeps their boundaries and copies nothing that need not be copied.
struct DatagramBIO {
    /// The datagram being read. Only valid during the call that set it.
    var input: UnsafeRawBufferPointer?
    /// Called once per datagram that OpenSSL writes.
    let output: (UnsafeRawBufferPointer) -> Void
    let mtu: Int

    static func makeMethod() -> OpaquePointer? {
        guard let method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "datagram") else { return nil }
        BIO_meth_set_create(method) { bio in
            BIO_set_init(bio, 1)
            return 1
        }
        BIO_meth_set_read(method) { bio, pointer, count in
            guard let bio, let pointer, let state = DatagramBIO.state(of: bio) else { return -1 }
            pt_bio_clear_retry(bio)
            guard let input = state.pointee.input, let source = input.baseAddress, count > 0 else {
                return pt_bio_should_retry_read(bio)
            }
            state.pointee.input = nil
            let length = min(input.count, Int(count))
            pointer.withMemoryRebound(to: UInt8.self, capacity: length) {
                UnsafeMutableRawPointer($0).copyMemory(from: source, byteCount: length)
            }
            return Int32(length)
        }
        BIO_meth_set_write(method) { bio, pointer, count in
            guard let bio, let pointer, count >= 0, let state = DatagramBIO.state(of: bio) else { return -1 }
            state.pointee.output(UnsafeRawBufferPointer(start: pointer, count: Int(count)))
            return count
        }
        BIO_meth_set_ctrl(method) { bio, command, _, _ in
            switch command {
            case BIO_CTRL_FLUSH: return 1
            case BIO_CTRL_DGRAM_QUERY_MTU, BIO_CTRL_DGRAM_GET_MTU, BIO_CTRL_DGRAM_GET_FALLBACK_MTU:
                guard let bio, let state = DatagramBIO.state(of: bio) else { return 0 }
                return state.pointee.mtu
            default: return 0
            }
        }
        return method
    }

    static func state(of bio: OpaquePointer) -> UnsafeMutablePointer<DatagramBIO>? {
        BIO_get_data(bio)?.assumingMemoryBound(to: DatagramBIO.self)
    }
}
