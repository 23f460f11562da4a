import Crypto
import Foundation
import NIOConcurrencyHelpers
import NIOCore
import PeerTreeClient
import PeerTreeCore
import PeerTreeMedia

/// Counts what arrived and shows it: a line on a terminal, JSON for scripts.
final class WatchReport: Sendable {
    private struct State {
        var bytes = 0
        var hash = SHA256()
        var lags = LagHistogram()
        var parentsLost = 0
        var lostGap: String?
        var unreadable: UnreadableReason?
        var children = 0
        var line = LiveLines()
    }

    private let state = NIOLockedValueBox(State())
    private let json: Bool
    private let toStandardError: Bool

    init(json: Bool, toStandardError: Bool) {
        self.json = json
        self.toStandardError = toStandardError
    }

    /// What was lost and not cut on purpose, in words; nil if nothing.
    var lostGap: String? { state.withLockedValue { $0.lostGap } }

    /// Why messages could not be opened, if any were not.
    var unreadable: UnreadableReason? { state.withLockedValue { $0.unreadable } }

    func add(_ payload: ByteBuffer, timestamp: UInt64) {
        let now = UInt64(max(0, Date().timeIntervalSince1970 * 1e6))
        state.withLockedValue { state in
            state.bytes += payload.readableBytes
            payload.withUnsafeReadableBytes { state.hash.update(bufferPointer: $0) }
            if timestamp > 0 { state.lags.add(now > timestamp ? Double(now - timestamp) / 1000 : 0) }
        }
    }

    /// Takes an event of the client.
    func note(_ event: PeerTreeEvent) {
        switch event {
        case .discover(let tree, let id): print(#"{"event":"discover","tree":"\#(tree)","id":"\#(id)"}"#)
        case .connect: print(#"{"event":"connect"}"#)
        case .upstreamPeer(let id): print(#"{"event":"upstream","id":"\#(id)"}"#)
        case .downstreamPeer(let id):
            state.withLockedValue { $0.children += 1 }
            print(#"{"event":"downstream","id":"\#(id)"}"#)
        case .neighbourGone(let id): print(#"{"event":"neighbour-gone","id":"\#(id)"}"#)
        case .gap(let gap): note(gap)
        case .unreadable(let reason): note(reason)
        case .serverGoingAway: print(#"{"event":"server-going-away"}"#)
        case .serverLost: print(#"{"event":"server-lost"}"#)
        case .serverBack: print(#"{"event":"server-back"}"#)
        case .disconnect, .complete, .tree, .refused: break
        }
    }

    /// Takes what the broadcaster says about content that is not media. Its name is shown, never used as a path.
    func note(_ content: ContentDescription) {
        let name = content.name.map { #","name":\#(Self.quoted($0))"# } ?? ""
        let type = content.type.map { #","type":\#(Self.quoted($0))"# } ?? ""
        let size = content.size.map { #","size":\#($0)"# } ?? ""
        print(#"{"event":"content"\#(name)\#(type)\#(size)}"#)
        guard !json, Terminal.isInteractive, let name = content.name else { return }
        Terminal.note("The broadcaster calls this '\(name)'.")
    }

    /// Takes what the tracks of media are, and which part of the recording they begin.
    func note(_ catalog: MediaCatalog, part: Int) {
        let codecs = catalog.tracks.map { Self.quoted($0.codec) }.joined(separator: ",")
        let title = catalog.title.map { #","title":\#(Self.quoted($0))"# } ?? ""
        print(#"{"event":"media","part":\#(part),"live":\#(catalog.isLive),"codecs":[\#(codecs)]\#(title)}"#)
    }

    /// Says what the user should know.
    func warn(_ sentence: String) {
        print(#"{"event":"note","text":\#(Self.quoted(sentence))}"#)
        if !json { Terminal.note("peer-tree: \(sentence)") }
    }

    /// Text from outside as a string of JSON.
    private static func quoted(_ text: String) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .withoutEscapingSlashes
        return (try? encoder.encode(text)).map { String(decoding: $0, as: UTF8.self) } ?? "null"
    }

    private func note(_ reason: UnreadableReason) {
        state.withLockedValue { $0.unreadable = $0.unreadable ?? reason }
        print(#"{"event":"unreadable","reason":"\#(reason.code)"}"#)
        if !json { Terminal.note("peer-tree: \(reason.sentence)") }
    }

    private func note(_ gap: Gap) {
        let extent = gap.range.map { "chunks \($0.start) to \($0.end - 1)" } ?? "an unknown number of chunks"
        print(#"{"event":"gap","skip":\#(gap.isSkip),"extent":"\#(extent)"}"#)
        if !gap.isSkip { state.withLockedValue { $0.lostGap = extent } }
    }

    /// Shows progress until cancelled.
    func run(_ client: PeerTreeClient) async throws {
        var last = (at: ContinuousClock.now, bytes: 0)
        while true {
            try await Task.sleep(for: .milliseconds(500))
            let statistics = await client.statistics
            let now = ContinuousClock.now
            state.withLockedValue { state in
                let rate = Double(state.bytes - last.bytes) / max(0.001, (now - last.at) / .seconds(1))
                last = (now, state.bytes)
                let parts = [
                    "received \(Units.bytes(state.bytes))", Units.rate(rate),
                    "lag \(Units.milliseconds(statistics.lagMilliseconds))", "passing on to \(statistics.children)",
                ]
                if !json { state.line.show([parts.joined(separator: "   ")]) }
            }
        }
    }

    /// The last word of a complete stream.
    func finish() {
        let (bytes, digest, lags) = state.withLockedValue { state in
            state.line.clear()
            let digest = state.hash.finalize().map { String(format: "%02x", $0) }.joined()
            return (state.bytes, digest, state.lags)
        }
        let lag = #""lag_p50_ms":\#(lags.text(0.5)),"lag_p99_ms":\#(lags.text(0.99)),"lag_max_ms":\#(lags.text(1))"#
        print(#"{"event":"end","bytes":\#(bytes),"sha256":"\#(digest)",\#(lag)}"#)
        if !json, Terminal.isInteractive { Terminal.note("Received \(Units.bytes(bytes)), SHA-256 \(digest)") }
    }

    /// The stream broke off.
    func fail() {
        state.withLockedValue { $0.line.clear() }
    }

    private func print(_ object: String) {
        guard json else { return }
        if toStandardError { Terminal.note(object) } else { Terminal.say(object) }
    }
}

/// How late messages came, in milliseconds, in bounded memory: buckets that grow by a twentieth.
struct LagHistogram {
    private static let finest = 0.01
    private static let growth = 1.05

    private var buckets = [Int](repeating: 0, count: 400)
    private var count = 0
    private var maximum = 0.0

    mutating func add(_ milliseconds: Double) {
        let index = milliseconds < Self.finest ? 0 : Int(log(milliseconds / Self.finest) / log(Self.growth)) + 1
        buckets[min(index, buckets.count - 1)] += 1
        count += 1
        maximum = max(maximum, milliseconds)
    }

    /// The lag that the given share of messages did not exceed; nil if there were none.
    func quantile(_ share: Double) -> Double? {
        guard count > 0 else { return nil }
        if share >= 1 { return maximum }
        var remaining = Int((share * Double(count)).rounded(.up))
        for (index, bucket) in buckets.enumerated() {
            remaining -= bucket
            if remaining <= 0 { return min(maximum, Self.finest * pow(Self.growth, Double(index))) }
        }
        return maximum
    }

    /// A quantile as JSON.
    func text(_ share: Double) -> String {
        quantile(share).map { String(format: "%.3f", $0) } ?? "null"
    }
}
