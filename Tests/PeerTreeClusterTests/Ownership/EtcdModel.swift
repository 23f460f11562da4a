import PeerTreeCore

@testable import PeerTreeCluster

/// etcd as its clients see it: revisions, leases, transactions, in virtual time.
struct EtcdModel {
    private(set) var revision: Int64 = 1
    private(set) var keys: [[UInt8]: EtcdKeyValue] = [:]
    /// All that happened to keys, in order.
    private(set) var history: [(revision: Int64, event: EtcdWatchMessage.Event)] = []
    private(set) var compactRevision: Int64 = 0
    private var leases: [Int64: (seconds: Int64, expiresAt: Instant)] = [:]
    private var lastLease: Int64

    init(firstLease: Int64) { lastLease = firstLease }

    /// A store that knows nothing, as after the loss of its disks.
    mutating func wipe() { self = EtcdModel(firstLease: lastLease) }

    mutating func compact() {
        compactRevision = revision
        history.removeAll { $0.revision <= compactRevision }
    }

    mutating func expire(at now: Instant) {
        for lease in leases.keys.sorted() where leases[lease].map({ $0.expiresAt <= now }) ?? false { end(lease) }
    }

    private mutating func end(_ lease: Int64) {
        leases[lease] = nil
        let ended = keys.values.filter { $0.lease == lease }.map(\.key)
        guard !ended.isEmpty else { return }
        revision += 1
        for key in ended.sorted(by: { $0.lexicographicallyPrecedes($1) }) {
            keys[key] = nil
            history.append((revision, .deleted(key: key, revision: revision)))
        }
    }

    mutating func answer(_ request: EtcdRequest, at now: Instant) -> Result<EtcdAnswer, EtcdError> {
        expire(at: now)
        switch request {
        case .authenticate: return .success(.token("token"))
        case .range(let range): return answer(range)
        case .put(let put): return write([put]).map { .put(revision: revision) }
        case .transaction(let transaction): return answer(transaction)
        case .grantLease(let seconds):
            lastLease += 1
            leases[lastLease] = (seconds, now + .seconds(UInt64(seconds)))
            return .success(.granted(lease: lastLease, seconds: seconds))
        case .keepAlive(let lease):
            guard let seconds = leases[lease]?.seconds else { return .success(.keptAlive(seconds: 0)) }
            leases[lease] = (seconds, now + .seconds(UInt64(seconds)))
            return .success(.keptAlive(seconds: seconds))
        case .revokeLease(let lease):
            end(lease)
            return .success(.revoked)
        }
    }

    private func answer(_ range: EtcdRange) -> Result<EtcdAnswer, EtcdError> {
        let found = keys.values.filter { range.contains($0.key) }.sorted { $0.key.lexicographicallyPrecedes($1.key) }
        return .success(.range(EtcdRangeAnswer(revision: revision, keys: found, hasMore: false)))
    }

    private mutating func answer(_ transaction: EtcdTransaction) -> Result<EtcdAnswer, EtcdError> {
        guard transaction.conditions.allSatisfy(holds) else {
            let read = transaction.reads.compactMap { keys[$0] }
            return .success(.transaction(EtcdTransactionAnswer(succeeded: false, revision: revision, read: read)))
        }
        return write(transaction.puts).map {
            .transaction(EtcdTransactionAnswer(succeeded: true, revision: revision, read: []))
        }
    }

    private func holds(_ condition: EtcdTransaction.Condition) -> Bool {
        switch condition {
        case .createRevision(let key, let revision): (keys[key]?.createRevision ?? 0) == revision
        case .modRevision(let key, let revision): (keys[key]?.modRevision ?? 0) == revision
        case .value(let key, let value): keys[key]?.value == value
        }
    }

    private mutating func write(_ puts: [EtcdPut]) -> Result<Void, EtcdError> {
        for put in puts where put.lease != 0 && leases[put.lease] == nil {
            return .failure(EtcdError(.refused(status: 5), "requested lease not found"))
        }
        revision += 1
        for put in puts {
            let key = EtcdKeyValue(
                key: put.key,
                value: put.value,
                createRevision: keys[put.key]?.createRevision ?? revision,
                modRevision: revision,
                lease: put.lease
            )
            keys[put.key] = key
            history.append((revision, .put(key)))
        }
        return .success(())
    }
}
