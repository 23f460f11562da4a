import PeerTreeCore
import Testing

@testable import PeerTreeCluster

@Suite("Which member of etcd's is asked", .timeLimit(.minutes(1)))
struct EndpointChoiceTests {
    private func at(_ seconds: UInt64) -> Instant { Instant(nanoseconds: seconds * 1_000_000_000) }

    @Test("The one that answers is asked again; one that failed rests for 5 s")
    func rest() {
        var choice = EndpointChoice(count: 3)
        #expect(choice.next(at: at(1)) == 0)
        choice.failed(0, at: at(1))
        #expect(choice.next(at: at(1)) == 1)
        choice.answered(1)
        #expect(choice.next(at: at(20)) == 1)
        choice.failed(1, at: at(20))
        #expect(choice.next(at: at(20)) == 2)
        choice.failed(2, at: at(21))
        #expect(choice.next(at: at(21)) == 0)
        choice.failed(0, at: at(22))
        #expect(choice.next(at: at(25)) == 1)
    }

    @Test("Where all have failed, the one that did so first is asked")
    func allFailed() {
        var choice = EndpointChoice(count: 2)
        choice.failed(1, at: at(1))
        choice.failed(0, at: at(2))
        #expect(choice.next(at: at(2)) == 1)
    }

    @Test(
        "An address is http or https, a host and a port",
        arguments: [
            ("http://127.0.0.1:2379", true), ("https://etcd.example:2379/", true), ("http://[::1]:2379", true),
            ("127.0.0.1:2379", false),
            ("http://host", false), ("http://host:0", false), ("http://host:70000", false), ("ftp://host:1", false),
            ("http://a@host:1", false), ("http://host:1/v3", false), ("http://:1", false), ("", false),
        ]
    )
    func addresses(text: String, isGood: Bool) {
        #expect(((try? EtcdEndpoint(text)) != nil) == isGood)
    }
}
