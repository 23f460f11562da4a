import CUSRSCTP
import NIOCore

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

// From a channel's message to usrsctp's send buffer.
extension SCTPAssociation {
    /// Sends a message or the rest of one. `counting` bytes are reported as transmitted once all of it is on the wire.
    func send(
        _ message: ByteBuffer,
        counting bytes: Int,
        stream: UInt16,
        ppid: UInt32,
        reliability: DataChannelReliability,
        ordered: Bool
    ) -> SendResult {
        guard let socket = self.socket else { return .failed(ENOTCONN) }
        if let openMessage = self.openMessage {
            guard openMessage.stream == stream, !self.mustEndOpenMessage else { return .wouldBlock }
        } else if self.mustWait(reliability, message.readableBytes) {
            return .wouldBlock
        }
        self.shard.willWork()
        var info = Self.sendInformation(stream: stream, ppid: ppid, reliability: reliability, ordered: ordered)
        let (sent, error) = message.withUnsafeReadableBytes { self.send($0, on: socket, &info) }
        if sent > 0 { self.shard.watch(self) }
        guard sent == message.readableBytes else {
            guard sent == 0 else {
                self.openMessage = (stream, ppid, ordered)
                return .partly(sent)
            }
            if let error, error != EWOULDBLOCK, error != EAGAIN { return .failed(error) }
            return .wouldBlock
        }
        self.openMessage = nil
        self.handed.append((stream, bytes))
        self.handedBytes += bytes
        return .sent
    }

    /// usrsctp sends all that it has taken once, however late: what is to be dropped when its time has passed must wait
    /// where it still can be, until the peer's window and the congestion window let it out. Only the message that fills
    /// them up waits in SCTP. When nothing is on its way the next one goes in any case: nothing else would ask for room.
    private func mustWait(_ reliability: DataChannelReliability, _ bytes: Int) -> Bool {
        if self.isShared, self.handedBytes >= Self.sharedBacklog { return true }
        guard case .maxPacketLifeTime = reliability, let socket, let status else { return false }
        let held = pt_usrsctp_held_bytes(socket)
        // An association that does not tell gets one message at a time.
        guard held >= 0 else { return !self.handed.isEmpty }
        return held > 0 && (held >= Int(status.sstat_primary.spinfo_cwnd) || Int(status.sstat_rwnd) < bytes)
    }

    /// Hands over as much as there is room for. In parts, because a full buffer refuses at once and for good what is
    /// larger than itself.
    private func send(
        _ bytes: UnsafeRawBufferPointer,
        on socket: OpaquePointer,
        _ info: inout sctp_sendv_spa
    ) -> (sent: Int, error: Int32?) {
        let maximumPart = max(1, self.configuration.sendBuffer / 2)
        var sent = 0
        repeat {
            let part = UnsafeRawBufferPointer(rebasing: bytes[sent..<min(bytes.count, sent + maximumPart)])
            // The end of the record; counts only if all of the part fits (SCTP_EXPLICIT_EOR).
            let isLast = sent + part.count == bytes.count
            info.sendv_sndinfo.snd_flags &= ~UInt16(SCTP_EOR)
            if isLast { info.sendv_sndinfo.snd_flags |= UInt16(SCTP_EOR) }
            let result = Self.send(part, on: socket, &info)
            guard result >= 0 else { return (sent, errno) }
            sent += result
            guard result == part.count else { return (sent, nil) }
        } while sent < bytes.count
        return (sent, nil)
    }

    /// Ends the message of which a part has been sent: its channel is gone, but nothing else can be sent before.
    func endOpenMessage() {
        guard let openMessage = self.openMessage, let socket = self.socket else { return }
        self.mustEndOpenMessage = true
        var info = Self.sendInformation(
            stream: openMessage.stream,
            ppid: openMessage.ppid,
            reliability: .reliable,
            ordered: openMessage.isOrdered
        )
        let (sent, _) = withUnsafeBytes(of: UInt8(0)) { self.send($0, on: socket, &info) }
        // A full buffer: `drainTransmitted` tries again.
        guard sent > 0 else { return }
        self.mustEndOpenMessage = false
        self.openMessage = nil
        self.handed.append((openMessage.stream, 0))
    }

    /// Bytes that SCTP may have waiting while several channels share it.
    private static let sharedBacklog = 128 * 1024

    private static func sendInformation(
        stream: UInt16,
        ppid: UInt32,
        reliability: DataChannelReliability,
        ordered: Bool
    ) -> sctp_sendv_spa {
        var info = sctp_sendv_spa()
        info.sendv_flags = UInt32(SCTP_SEND_SNDINFO_VALID)
        info.sendv_sndinfo.snd_sid = stream
        info.sendv_sndinfo.snd_ppid = ppid.bigEndian
        info.sendv_sndinfo.snd_flags = ordered ? 0 : UInt16(SCTP_UNORDERED)
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
        return info
    }

    private static func send(
        _ bytes: UnsafeRawBufferPointer,
        on socket: OpaquePointer,
        _ info: inout sctp_sendv_spa
    ) -> Int {
        let length = socklen_t(MemoryLayout<sctp_sendv_spa>.size)
        return usrsctp_sendv(
            socket,
            bytes.baseAddress,
            bytes.count,
            nil,
            0,
            &info,
            length,
            UInt32(SCTP_SENDV_SPA),
            0
        )
    }
}
