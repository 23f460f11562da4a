package import PeerTreeCore
import StateMachine

/// A copy of all keys under a prefix, kept true by a watch and, since watches may lose events or fall silent, by lists.
///
/// A state machine: hand inputs to ``handle(_:at:)``, drain ``nextOutput()``, and hand in ``Input/deadlineReached`` at
/// ``deadline``. Every ``Output/list(_:)`` is answered by one ``Input/listed(_:)``; a new ``Output/watch(_:_:)`` ends the
/// one before.
package struct KeyMirror: Sendable {
    package enum Input: Sendable {
        /// One page has come, or has not.
        case listed(Result<EtcdRangeAnswer, EtcdError>)
        /// The watch with this number says something.
        case watched(Int, EtcdWatchMessage)
        /// The watch with this number has ended.
        case watchEnded(Int)
        /// A write of this program's own has been answered, and left this.
        case wrote(EtcdKeyValue)
        /// A key was read: so it is, or is not (nil), at this revision of the store.
        case found(key: [UInt8], EtcdKeyValue?, revision: Int64)
        /// What is known may be wrong: list now.
        case doubted
        case deadlineReached
    }

    package enum Output: Hashable, Sendable {
        /// Ask for these keys.
        case list(EtcdRange)
        /// Watch from now on, in place of what was watched, under this number.
        case watch(Int, EtcdWatch)
        /// A key came to be, or was written (its new state), or is gone (nil).
        case changed(key: [UInt8], EtcdKeyValue?)
        /// The store is not the one it was, or is an earlier state of it. What is left follows as changes, then ``listed``.
        case wentBack
        /// All is as it was at this revision, or later.
        case listed(revision: Int64)
        /// There are more keys under the prefix than this program writes: they are left alone.
        case tooManyKeys
    }

    /// How long after a list the next one begins. Default 3 s: what a lost event can cost.
    package static let listInterval = TimeSpan.seconds(3)
    /// How long after a failure the next attempt begins.
    static let pause = TimeSpan.milliseconds(250)
    /// Keys in all. Slots, nodes and one more are far fewer.
    static let maximumKeys = 8_192

    let prefix: [UInt8]
    package private(set) var keys: [[UInt8]: EtcdKeyValue] = [:]
    /// The latest revision of the store that was heard of.
    package private(set) var revision: Int64 = 0
    /// How many lists were begun, and which of them was the last that came whole.
    private(set) var begunLists = 0
    private(set) var appliedList = 0
    /// Keys that the watch said are gone, and when: an older list does not bring them back.
    private var gone: [[UInt8]: Int64] = [:]
    /// The watch has told all up to this revision.
    private var watchedRevision: Int64 = 0
    private var watch: (number: Int, isOpen: Bool) = (0, false)
    private var list: PendingList?
    private var isDoubted = false
    private var nextList: Instant
    private var nextWatch: Instant?
    private var outputs = OutputQueue<Output>()

    /// - Parameter prefix: What the keys begin with; its last byte is not 255.
    package init(prefix: [UInt8], at now: Instant) {
        self.prefix = prefix
        nextList = now
    }

    package mutating func nextOutput() -> Output? { outputs.next() }

    /// When ``Input/deadlineReached`` is due.
    package var deadline: Instant? {
        // A list that is on its way is answered in any case.
        let list = self.list == nil ? nextList : nil
        return [list, nextWatch].compactMap { $0 }.min()
    }

    package mutating func handle(_ input: Input, at now: Instant) {
        switch input {
        case .listed(.success(let page)): take(page, at: now)
        case .listed(.failure): listFailed(at: now)
        case .watched(let number, let message) where number == watch.number: take(message, at: now)
        case .watchEnded(let number) where number == watch.number: watchEnded(at: now)
        case .watched, .watchEnded: break
        case .wrote(let key): put(key)
        case .found(_, let key?, _): put(key)
        case .found(let key, nil, let revision): take(.deleted(key: key, revision: revision))
        case .doubted:
            isDoubted = list != nil
            nextList = now
        case .deadlineReached: break
        }
        if list == nil, nextList <= now { beginList() }
        if let nextWatch, nextWatch <= now { openWatch() }
    }
}

/// Pages of a list that is not whole yet.
private struct PendingList: Sendable {
    let number: Int
    /// The latest revision known when it was begun. etcd's lists are never older, unless the store went back.
    let begunAt: Int64
    /// That of the first page, at which all further ones are read; nil before it.
    var revision: Int64?
    var keys: [[UInt8]: EtcdKeyValue] = [:]
}

// MARK: Lists

extension KeyMirror {
    private mutating func beginList() {
        begunLists += 1
        list = PendingList(number: begunLists, begunAt: revision)
        isDoubted = false
        outputs.append(.list(EtcdRange(prefix: prefix)))
    }

    private mutating func listFailed(at now: Instant) {
        list = nil
        nextList = now + Self.pause
    }

    private mutating func take(_ page: EtcdRangeAnswer, at now: Instant) {
        guard var list else { return }
        let listRevision = list.revision ?? page.revision
        list.revision = listRevision
        for key in page.keys where key.key.starts(with: prefix) { list.keys[key.key] = key }
        guard list.keys.count <= Self.maximumKeys else {
            outputs.append(.tooManyKeys)
            self.list = nil
            nextList = now + Self.listInterval
            return
        }
        if page.hasMore, let last = page.keys.last {
            self.list = list
            outputs.append(.list(EtcdRange(prefix: prefix, after: last.key, revision: listRevision)))
            return
        }
        self.list = nil
        nextList = isDoubted ? now : now + Self.listInterval
        apply(list, listRevision, at: now)
    }

    private mutating func apply(_ list: PendingList, _ listRevision: Int64, at now: Instant) {
        if listRevision < list.begunAt || list.keys.values.contains(where: { contradicts($0, listRevision) }) {
            forget()
        }
        var isNews = false
        for key in list.keys.values where gone[key.key].map({ $0 < key.modRevision }) ?? true {
            if put(key) { isNews = true }
        }
        for key in keys.values where list.keys[key.key] == nil && key.modRevision <= listRevision {
            remove(key.key)
            isNews = true
        }
        gone = gone.filter { $0.value > listRevision }
        revision = max(revision, listRevision)
        appliedList = list.number
        outputs.append(.listed(revision: listRevision))
        // A watch that has not said what a list says is late at best, and dead at worst.
        let wasSilent = isNews && watchedRevision < listRevision
        watchedRevision = max(watchedRevision, listRevision)
        if wasSilent || !watch.isOpen { openWatch() }
    }

    /// Whether a key of a list is as it cannot be in the history that is known.
    private func contradicts(_ key: EtcdKeyValue, _ listRevision: Int64) -> Bool {
        guard let known = keys[key.key], known.modRevision <= listRevision else { return false }
        return key.modRevision < known.modRevision
            || key.modRevision == known.modRevision && (key.value, key.lease) != (known.value, known.lease)
    }

    private mutating func forget() {
        outputs.append(.wentBack)
        for key in keys.keys { outputs.append(.changed(key: key, nil)) }
        (keys, gone, revision, watchedRevision) = ([:], [:], 0, 0)
        watch.isOpen = false
    }
}

// MARK: Watching

extension KeyMirror {
    private mutating func openWatch() {
        watch = (watch.number + 1, true)
        nextWatch = nil
        outputs.append(.watch(watch.number, EtcdWatch(prefix: prefix, from: watchedRevision + 1)))
    }

    private mutating func watchEnded(at now: Instant) {
        watch.isOpen = false
        nextWatch = now + Self.pause
    }

    private mutating func take(_ message: EtcdWatchMessage, at now: Instant) {
        switch message {
        case .created: break
        case .compacted:
            // The next list opens it again, behind what is lost.
            watch = (watch.number + 1, false)
            nextList = now
        case .events(let events, let revision):
            for event in events { take(event) }
            watchedRevision = max(watchedRevision, revision)
            self.revision = max(self.revision, revision)
        }
    }

    private mutating func take(_ event: EtcdWatchMessage.Event) {
        switch event {
        case .put(let key) where key.key.starts(with: prefix): put(key)
        case .deleted(let key, let revision) where key.starts(with: prefix):
            guard keys[key].map({ $0.modRevision <= revision }) ?? true, gone.count < Self.maximumKeys else { return }
            gone[key] = revision
            remove(key)
        default: break
        }
    }
}

// MARK: Keys

extension KeyMirror {
    /// Whether that was news.
    @discardableResult
    private mutating func put(_ key: EtcdKeyValue) -> Bool {
        guard keys.count < Self.maximumKeys || keys[key.key] != nil,
            gone[key.key].map({ $0 < key.modRevision }) ?? true,
            keys[key.key].map({ $0.modRevision < key.modRevision }) ?? true
        else { return false }
        keys[key.key] = key
        revision = max(revision, key.modRevision)
        outputs.append(.changed(key: key.key, key))
        return true
    }

    private mutating func remove(_ key: [UInt8]) {
        guard keys.removeValue(forKey: key) != nil else { return }
        outputs.append(.changed(key: key, nil))
    }
}
