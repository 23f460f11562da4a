import JSON
import TestSupport
import Testing

@testable import PeerTreeCluster

@Suite("Answers of etcd", .timeLimit(.minutes(1)))
struct EtcdAnswerTests {
    private func answer(_ request: EtcdRequest, _ body: String, status: Int = 200) throws(EtcdError) -> EtcdAnswer {
        try EtcdAnswer(to: request, status: status, body: Array(body.utf8))
    }

    private static let range = EtcdRequest.range(EtcdRange(prefix: Array("a".utf8)))

    @Test("A list is read as etcd writes it, zeros left out")
    func list() throws {
        let body =
            #"{"header":{"cluster_id":"1","revision":"12"},"kvs":[{"key":"YQ==","create_revision":"3","mod_revision":"9","#
            + #""version":"2","value":"AP8=","lease":"-5"},{"key":"YWI="}],"more":true,"count":"7"}"#
        let first = EtcdKeyValue(key: [0x61], value: [0, 255], createRevision: 3, modRevision: 9, lease: -5)
        let second = EtcdKeyValue(key: [0x61, 0x62], value: [], createRevision: 0, modRevision: 0, lease: 0)
        let expected = EtcdRangeAnswer(revision: 12, keys: [first, second], hasMore: true)
        #expect(try answer(Self.range, body) == .range(expected))
    }

    @Test("A transaction says whether it wrote, and what is there instead")
    func transaction() throws {
        let request = EtcdRequest.transaction(EtcdTransaction(if: [], put: []))
        let body =
            #"{"header":{"revision":"5"},"responses":[{"response_range":{"header":{"revision":"5"},"kvs":[{"key":"YQ=="}]}}]}"#
        let there = EtcdKeyValue(key: [0x61], value: [], createRevision: 0, modRevision: 0, lease: 0)
        let expected = EtcdTransactionAnswer(succeeded: false, revision: 5, read: [there])
        #expect(try answer(request, body) == .transaction(expected))
    }

    @Test("A keep-alive of a lease that is lost is an answer of 0 seconds")
    func lost() throws {
        let body = #"{"result":{"header":{"revision":"5"},"ID":"77"}}"#
        #expect(try answer(.keepAlive(lease: 77), body) == .keptAlive(seconds: 0))
        #expect(throws: EtcdError.self) { try answer(.keepAlive(lease: 78), body) }
    }

    @Test(
        "A refusal says what etcd said, and whether the write may have happened",
        arguments: [
            (#"{"error":"etcdserver: mvcc: database space exceeded","message":"m","code":8}"#, false),
            (#"{"error":"etcdserver: request timed out","message":"m","code":14}"#, true),
            (#"{"error":{"grpc_code":5,"http_code":404,"message":"requested lease not found"}}"#, false),
        ]
    )
    func refusal(body: String, isAmbiguous: Bool) throws {
        #expect {
            try answer(.put(EtcdPut(key: [1], value: [])), body, status: 503)
        } throws: { error in
            (error as? EtcdError)?.isAmbiguous == isAmbiguous
        }
    }

    @Test(
        "What etcd would not answer is refused",
        arguments: [
            "", "[]", "{}", "null", "<html></html>", #"{"header":{}, "kvs":{}}"#, #"{"header":{"revision":"-1"}}"#,
            #"{"header":{"revision":"9223372036854775807"}}"#, #"{"header":{},"kvs":[{"key":"a"}]}"#,
            #"{"header":{},"kvs":[{"key":"Yg=="},{"key":"YQ=="}]}"#, #"{"header":{},"more":true}"#,
            #"{"header":{},"kvs":[{"key":7}]}"#, #"{"header":{},"kvs":[{"mod_revision":"1.5"}]}"#,
        ]
    )
    func malformed(body: String) throws {
        // What holds no revision at all is at revision 0, which is etcd's way to write a zero.
        #expect {
            try answer(Self.range, body)
        } throws: { error in
            (error as? EtcdError)?.code == .malformed
        }
    }

    @Test("Answers with bytes changed anywhere are read or refused, and nothing else")
    func mutated() {
        let bodies = [
            #"{"header":{"revision":"12"},"kvs":[{"key":"YQ==","mod_revision":"9","value":"AP8=","lease":"-5"}],"more":true}"#,
            #"{"result":{"header":{"revision":"5"},"events":[{"type":"DELETE","kv":{"key":"YQ==","mod_revision":"5"}}]}}"#,
            #"{"header":{"revision":"5"},"succeeded":true,"responses":[{"response_put":{}}]}"#,
        ]
        for seed in 0..<3_000 as Range<UInt64> {
            var random = SeededGenerator(seed: seed)
            var body = Array(bodies[Int(seed) % bodies.count].utf8)
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let place = Int.random(in: body.indices, using: &random)
                body[place] =
                    Bool.random(using: &random)
                    ? .random(in: 0...255, using: &random) : body.randomElement(using: &random)!
            }
            _ = try? EtcdAnswer(to: Self.range, status: 200, body: body)
            _ = try? EtcdAnswer(to: .transaction(EtcdTransaction(if: [], put: [])), status: 200, body: body)
            if let json = try? JSONValue(parsing: body) { _ = try? EtcdWatchMessage(json) }
        }
    }

    @Test("Bytes go through base64 unchanged, and what is no base64 is refused")
    func base64() {
        for count in 0..<70 {
            var random = SeededGenerator(seed: UInt64(count))
            let bytes = random.bytes(count)
            #expect(Base64.decode(Base64.encode(bytes)) == bytes)
        }
        for text in ["a", "ab", "ab=", "a===", "====", "ab=c", "a b=", "YQ==YQ=="] {
            #expect(Base64.decode(text) == nil, "\(text)")
        }
    }
}
