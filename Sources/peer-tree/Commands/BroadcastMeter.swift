import Crypto
import Foundation
import NIOCore
import PeerTreeClient

/// Counts what was sent and shows it: a line on a terminal, JSON for scripts.
actor BroadcastMeter {
    private let client: PeerTreeClient
    private let total: Int?
    private let json: Bool
    private var bytes = 0
    /// Of the input.
    private var consumed = 0
    private var hash = SHA256()
    private var recent: [(at: ContinuousClock.Instant, bytes: Int)] = []
    private var line = LiveLines()

    init(client: PeerTreeClient, total: Int?, json: Bool) {
        self.client = client
        self.total = total
        self.json = json
    }

    /// Takes note of bytes of the input.
    func consume(_ count: Int) {
        consumed += count
    }

    /// Takes note of a message that was sent.
    func add(_ message: ByteBuffer) {
        bytes += message.readableBytes
        message.withUnsafeReadableBytes { hash.update(bufferPointer: $0) }
    }

    func run() async throws {
        while true {
            await show()
            try await Task.sleep(for: .milliseconds(500))
        }
    }

    private func show() async {
        let now = ContinuousClock.now
        recent.append((now, bytes))
        if recent.count > 6 { recent.removeFirst() }
        let elapsed = (now - recent[0].at) / .seconds(1)
        let rate = elapsed > 0 ? Double(bytes - recent[0].bytes) / elapsed : 0
        let summary = await client.treeSummary
        var parts = ["sent \(Units.bytes(bytes))", Units.rate(rate)]
        if let total, total > 0 { parts.insert("\(min(100, consumed * 100 / total)) %", at: 0) }
        parts.append("viewers \(summary?.viewers ?? 0)")
        parts.append("depth \(summary?.depth ?? 0)")
        line.show([parts.joined(separator: "   ")])
    }

    /// The last word.
    func finish() async {
        line.clear()
        let digest = hash.finalize().map { String(format: "%02x", $0) }.joined()
        if json {
            Terminal.say(#"{"event":"end","bytes":\#(bytes),"sha256":"\#(digest)"}"#)
        } else if Terminal.isInteractive {
            Terminal.note("Sent \(Units.bytes(bytes)), SHA-256 \(digest)")
        }
    }
}
