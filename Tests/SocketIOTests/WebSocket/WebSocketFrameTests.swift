import NIOCore
import TestSupport
import Testing

@testable import SocketIO

extension SocketIOTests {
    @Suite("WebSocket frames")
    struct WebSocketFrameTests {
        private func frames(of bytes: [UInt8], limit: Int = 1_000, cutting sizes: [Int] = []) throws -> [[UInt8]] {
            var reader = WebSocketFrameReader(maximumFrameSize: limit)
            var payloads: [[UInt8]] = []
            var rest = bytes[...]
            var sizes = sizes[...]
            while !rest.isEmpty {
                let size = sizes.popFirst() ?? rest.count
                reader.append(ByteBuffer(bytes: rest.prefix(size)))
                rest = rest.dropFirst(size)
                while let frame = try reader.next() { payloads.append(Array(frame.payload.readableBytesView)) }
            }
            return payloads
        }

        @Test("The examples of RFC 6455 are read")
        func examples() throws {
            // Section 5.7: "Hello" in one frame, unmasked and masked; a ping; 256 bytes.
            #expect(try frames(of: [0x81, 0x05, 0x48, 0x65, 0x6C, 0x6C, 0x6F]) == [Array("Hello".utf8)])
            let masked: [UInt8] = [0x81, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58]
            #expect(try frames(of: masked) == [Array("Hello".utf8)])
            let long = [UInt8](repeating: 7, count: 256)
            #expect(try frames(of: [0x82, 0x7E, 0x01, 0x00] + long) == [long])
            var reader = WebSocketFrameReader(maximumFrameSize: 10)
            reader.append(ByteBuffer(bytes: [0x89, 0x05, 0x48, 0x65, 0x6C, 0x6C, 0x6F]))
            let ping = try #require(try reader.next())
            #expect(ping.opcode == .ping && ping.isFinal && !ping.isMasked && !ping.hasReservedBits)
            #expect(try reader.next() == nil)
        }

        @Test("What was written is read, wherever the stream is cut")
        func roundTrip() throws {
            let seed: UInt64 = 0x5EED_0040
            var random = SeededGenerator(seed: seed)
            for round in 0..<300 {
                var stream: [UInt8] = []
                var sent: [[UInt8]] = []
                for _ in 0..<Int.random(in: 1...5, using: &random) {
                    let size = [0, 3, 125, 126, 700, 65_535, 65_536].randomElement(using: &random) ?? 0
                    let payload = random.bytes(size)
                    let mask = Bool.random(using: &random) ? UInt32.random(in: 0 ... .max, using: &random) : nil
                    stream +=
                        WebSocketFrameWriter.frame(.binary, ByteBuffer(bytes: payload), mask: mask).readableBytesView
                    sent.append(payload)
                }
                let sizes = (0..<200).map { _ in Int.random(in: 1...2_000, using: &random) }
                let received = try frames(of: stream, limit: 65_536, cutting: sizes)
                if received != sent { Issue.record("seed \(seed) round \(round)") }
            }
        }

        @Test("What RFC 6455 forbids is refused, and nothing comes after it")
        func refusals() {
            func error(_ bytes: [UInt8]) -> WebSocketProtocolError? {
                var reader = WebSocketFrameReader(maximumFrameSize: 1_000)
                reader.append(ByteBuffer(bytes: bytes))
                do throws(WebSocketProtocolError) {
                    _ = try reader.next()
                    return nil
                } catch {
                    // Nothing comes after an error, whatever arrives.
                    reader.append(ByteBuffer(bytes: [0x81, 0x00]))
                    let next = try? reader.next()
                    #expect(next == nil)
                    return error
                }
            }
            #expect(error([0x09, 0x00]) == .fragmentedControlFrame)
            #expect(error([0x89, 0x7E, 0x00, 0x80]) == .controlFrameTooLong)
            #expect(error([0x82, 0x7E, 0x03, 0xE9]) == .messageTooLarge(limit: 1_000))
            #expect(error([0x82, 0x7F] + [UInt8](repeating: 0xFF, count: 8)) == .messageTooLarge(limit: 1_000))
            #expect(error([0x82, 0x7E, 0x03]) == nil)
        }

        @Test("Arbitrary bytes become frames or an error")
        func fuzz() {
            let seed: UInt64 = 0x5EED_0041
            var random = SeededGenerator(seed: seed)
            for _ in 0..<20_000 {
                var reader = WebSocketFrameReader(maximumFrameSize: 64)
                var assembler = WebSocketMessageAssembler(role: .server, maximumMessageSize: 100)
                for _ in 0..<3 {
                    reader.append(ByteBuffer(bytes: random.bytes(Int.random(in: 0...40, using: &random))))
                    while let frame = try? reader.next() {
                        #expect(frame.payload.readableBytes <= 64, "seed \(seed)")
                        _ = try? assembler.handle(frame)
                    }
                }
            }
        }
    }
}
