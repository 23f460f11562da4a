import PeerTreeCore
import Testing

@testable import PeerTreeCluster

@Suite("A copy of etcd's keys", .timeLimit(.minutes(1)))
struct KeyMirrorTests {
    private static let prefix = Array("/p/".utf8)
    private var mirror = KeyMirror(prefix: Self.prefix, at: .zero)

    private func key(_ name: String, _ revision: Int64) -> EtcdKeyValue {
        EtcdKeyValue(
            key: Self.prefix + Array(name.utf8),
            value: [],
            createRevision: revision,
            modRevision: revision,
            lease: 0
        )
    }

    private mutating func feed(_ input: KeyMirror.Input, at seconds: UInt64 = 0) -> [KeyMirror.Output] {
        mirror.handle(input, at: Instant(nanoseconds: seconds * 1_000_000_000))
        var outputs: [KeyMirror.Output] = []
        while let output = mirror.nextOutput() { outputs.append(output) }
        return outputs
    }

    private mutating func list(_ keys: [EtcdKeyValue], _ revision: Int64, at seconds: UInt64 = 0) -> [KeyMirror.Output]
    {
        feed(.listed(.success(EtcdRangeAnswer(revision: revision, keys: keys, hasMore: false))), at: seconds)
    }

    private func watch(_ number: Int, _ revision: Int64) -> KeyMirror.Output {
        .watch(number, EtcdWatch(prefix: Self.prefix, from: revision))
    }

    @Test("It lists, then watches from the next revision on, and lists again every 3 s")
    mutating func begins() {
        #expect(feed(.deadlineReached) == [.list(EtcdRange(prefix: Self.prefix))])
        let a = key("a", 4)
        #expect(list([a], 7) == [.changed(key: a.key, a), .listed(revision: 7), watch(1, 8)])
        #expect(mirror.deadline == Instant(nanoseconds: 3_000_000_000))
        #expect(feed(.deadlineReached, at: 3) == [.list(EtcdRange(prefix: Self.prefix))])
        #expect(list([a], 7, at: 3) == [.listed(revision: 7)])
    }

    @Test("Pages are read at the revision of the first")
    mutating func pages() {
        _ = feed(.deadlineReached)
        let (a, b) = (key("a", 4), key("b", 5))
        let first = EtcdRangeAnswer(revision: 7, keys: [a], hasMore: true)
        #expect(feed(.listed(.success(first))) == [.list(EtcdRange(prefix: Self.prefix, after: a.key, revision: 7))])
        _ = list([b], 9)
        #expect(mirror.keys == [a.key: a, b.key: b])
        #expect(mirror.revision == 7)
    }

    @Test("A watch that ends is opened again behind what it has told")
    mutating func resumes() {
        _ = feed(.deadlineReached)
        _ = list([], 7)
        let a = key("a", 9)
        #expect(feed(.watched(1, .events([.put(a)], revision: 9))) == [.changed(key: a.key, a)])
        #expect(feed(.watchEnded(1)).isEmpty)
        #expect(feed(.deadlineReached, at: 1) == [watch(2, 10)])
        #expect(feed(.watched(1, .events([.deleted(key: a.key, revision: 12)], revision: 12)), at: 1).isEmpty)
    }

    @Test("What a watch has lost, a list brings; the watch is opened anew")
    mutating func lost() {
        _ = feed(.deadlineReached)
        let (a, b) = (key("a", 4), key("b", 9))
        _ = list([a], 7)
        _ = feed(.deadlineReached, at: 3)
        let news = list([b], 10, at: 3)
        #expect(news == [.changed(key: b.key, b), .changed(key: a.key, nil), .listed(revision: 10), watch(2, 11)])
    }

    @Test("A list older than the watch brings nothing back, and takes nothing away")
    mutating func oldList() {
        _ = feed(.deadlineReached)
        let (a, b) = (key("a", 4), key("b", 9))
        _ = list([a], 7)
        _ = feed(.deadlineReached, at: 3)
        _ = feed(.watched(1, .events([.deleted(key: a.key, revision: 8), .put(b)], revision: 9)), at: 3)
        #expect(list([a], 7, at: 3) == [.listed(revision: 7)])
        #expect(mirror.keys == [b.key: b])
    }

    @Test("Where the watch's revision is compacted, a list comes before the next watch")
    mutating func compacted() {
        _ = feed(.deadlineReached)
        _ = list([], 7)
        #expect(feed(.watched(1, .compacted(compactRevision: 20))) == [.list(EtcdRange(prefix: Self.prefix))])
        #expect(list([], 30) == [.listed(revision: 30), watch(3, 31)])
    }

    @Test("A store that went back is learned anew")
    mutating func wentBack() {
        _ = feed(.deadlineReached)
        let (a, b) = (key("a", 4), key("b", 2))
        _ = list([a], 7)
        _ = feed(.deadlineReached, at: 3)
        let outputs = list([b], 3, at: 3)
        #expect(
            outputs == [
                .wentBack, .changed(key: a.key, nil), .changed(key: b.key, b), .listed(revision: 3), watch(2, 4),
            ]
        )
    }

    @Test("A list that fails is tried again soon")
    mutating func failed() {
        _ = feed(.deadlineReached)
        #expect(feed(.listed(.failure(EtcdError(.timedOut, "late")))).isEmpty)
        #expect(feed(.deadlineReached, at: 1) == [.list(EtcdRange(prefix: Self.prefix))])
    }
}
