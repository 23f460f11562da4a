import JSON
import Testing

@testable import PeerTreeCluster

@Suite("Messages of a watch", .timeLimit(.minutes(1)))
struct EtcdWatchMessageTests {
    private func message(_ text: String) throws -> EtcdWatchMessage { try EtcdWatchMessage(JSONValue(parsing: text)) }

    @Test("A watch begins, tells of changes, and ends where its revision is no longer kept")
    func messages() throws {
        #expect(try message(#"{"result":{"header":{"revision":"4"},"created":true}}"#) == .created(revision: 4))
        let events =
            #"{"result":{"header":{"revision":"6"},"events":[{"kv":{"key":"YQ==","mod_revision":"5"}},"#
            + #"{"type":"DELETE","kv":{"key":"YQ==","mod_revision":"6"}}]}}"#
        let put = EtcdKeyValue(key: [0x61], value: [], createRevision: 0, modRevision: 5, lease: 0)
        #expect(try message(events) == .events([.put(put), .deleted(key: [0x61], revision: 6)], revision: 6))
        let compacted = #"{"result":{"header":{"revision":"9"},"canceled":true,"compact_revision":"8"}}"#
        #expect(try message(compacted) == .compacted(compactRevision: 8))
    }

    @Test(
        "A watch that etcd ends, or that tells of what there is not, is an error",
        arguments: [
            #"{"result":{"header":{},"canceled":true,"cancel_reason":"no leader"}}"#,
            #"{"error":{"grpc_code":16,"message":"m"}}"#,
            #"{"result":{"header":{},"events":[{"type":"MOVE","kv":{}}]}}"#, #"{"result":{"header":{},"events":[{}]}}"#,
            "{}",
        ]
    )
    func errors(text: String) {
        #expect(throws: EtcdError.self) { try message(text) }
    }
}
