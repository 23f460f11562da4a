import NIOConcurrencyHelpers
import PeerTreeCluster
import TestSupport

/// A mirror of all keys below `/t/` of a real etcd, and all that it reported.
final class MirrorLog: Sendable {
    private let outputs: NIOLockedValueBox<[KeyMirror.Output]>
    private let driver: KeyMirrorDriver

    init(_ client: EtcdClient) async {
        let outputs = NIOLockedValueBox<[KeyMirror.Output]>([])
        self.outputs = outputs
        driver = KeyMirrorDriver(client, prefix: Array("/t/".utf8)) { output in
            outputs.withLockedValue { $0.append(output) }
        }
        await driver.start()
    }

    func stop() async { await driver.stop() }

    func count(_ condition: (KeyMirror.Output) -> Bool) -> Int {
        outputs.withLockedValue { $0.filter(condition).count }
    }

    /// Waits until the mirror holds this value of this key; nil for none.
    func until(_ key: String, is value: String?) async throws {
        try await eventually { await self.driver.keys[Array(key.utf8)]?.value == value.map { Array($0.utf8) } }
    }
}

extension EtcdClient {
    func put(_ key: String, _ value: String) async throws(EtcdError) {
        _ = try await ask(.put(EtcdPut(key: Array(key.utf8), value: Array(value.utf8))))
    }

    /// Writes until it is done: for tests in which etcd is away for a while.
    func putUntilDone(_ key: String, _ value: String) async throws {
        try await eventually { (try? await self.put(key, value)) != nil }
    }
}
