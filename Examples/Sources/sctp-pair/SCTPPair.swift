import Crypto
import Foundation
import NIOCore
import SCTP

/// Two SCTP associations and the packets between them, in one process: no WebRTC, no socket, and a clock that only this
/// program moves. Every third packet is lost.
@main
enum SCTPPair {
    static func main() throws {
        let key = SymmetricKey(size: .bits256)
        let configuration = AssociationConfiguration { cookie in
            Array(HMAC<SHA256>.authenticationCode(for: cookie, using: key))
        }
        let near = Association(configuration, random: SystemRandomNumberGenerator())
        let far = Association(configuration, random: SystemRandomNumberGenerator())
        var now = NIODeadline.uptimeNanoseconds(1)
        near.connect(at: now)
        try near.send(OutgoingMessage(stream: 0, protocolIdentifier: 51, payload: ByteBuffer(string: "hello")))

        var carried = 0
        var isOver = false
        while !isOver {
            // Packets first, then events, after whatever has happened.
            carried += self.carry(from: near, to: far, number: carried, at: now)
            carried += self.carry(from: far, to: near, number: carried, at: now)
            while let event = far.nextEvent() {
                switch event {
                case .connected: print("connected")
                case .message(let stream, _, let payload):
                    print("stream \(stream): \(String(buffer: payload))")
                    near.shutDown(at: now)
                case .closed(let end):
                    print(end)
                    isOver = true
                default: break
                }
            }
            while near.nextEvent() != nil {}
            // Nothing is under way: on to what is due next.
            let deadlines = [near.deadline, far.deadline].compactMap { $0 }
            if let next = deadlines.min() { now = max(now, next) }
            near.handleTimeout(at: now)
            far.handleTimeout(at: now)
        }
    }

    /// Brings the packets of one to the other. Returns how many there were.
    private static func carry(from: Association, to: Association, number: Int, at now: NIODeadline) -> Int {
        withUnsafeTemporaryAllocation(byteCount: 1_200, alignment: 8) { memory in
            var count = 0
            while let length = from.nextPacket(into: memory, at: now) {
                count += 1
                if (number + count) % 3 == 0 { continue }
                to.handle(packet: UnsafeRawBufferPointer(rebasing: memory[..<length]), at: now)
            }
            return count
        }
    }
}
