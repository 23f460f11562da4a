import PeerTreeCluster
import PeerTreeCore
import TestSupport

/// A cluster of etcd on this machine, for one test.
final class EtcdCluster {
    let members: [EtcdMember]

    /// Starts `count` members, and waits until they answer.
    init(_ count: Int, options: [String] = []) async throws {
        let ports = try await freePorts(2 * count)
        let pairs = (0..<count).map { (client: ports[2 * $0], peer: ports[2 * $0 + 1]) }
        members = try (0..<count).map { try EtcdMember(number: $0, ports: pairs, options: options) }
        for member in members { try member.start() }
        for number in 0..<count { try await untilAnswered(by: number) }
    }

    func untilAnswered(by number: Int) async throws {
        try await withClient(of: [number]) { client in
            try await eventually {
                if self.members[number].hasEnded { throw EtcdHasEnded(number: number) }
                return (try? await client.ask(.range(EtcdRange(key: [0x61])))) != nil
            }
        }
    }

    func options(_ numbers: [Int]? = nil) throws -> EtcdOptions {
        let chosen = numbers ?? Array(members.indices)
        return EtcdOptions(endpoints: try chosen.map { try EtcdEndpoint(members[$0].clientAddress) })
    }

    /// Runs `body` with a client of these members, or of all.
    func withClient<Result>(
        of numbers: [Int]? = nil,
        user: EtcdUser? = nil,
        _ body: (EtcdClient) async throws -> Result
    ) async throws -> Result {
        var options = try options(numbers)
        options.user = user
        // Where there is nobody else to ask, only a machine that is busy can be the reason to wait.
        if options.endpoints.count == 1 { (options.attemptLimit, options.callLimit) = (.seconds(20), .seconds(30)) }
        let client = try EtcdClient(options)
        do {
            let result = try await body(client)
            try await client.shutdown()
            return result
        } catch {
            try? await client.shutdown()
            throw error
        }
    }
}

/// A member that ended by itself: is a port of its in use, or etcd not installed?
struct EtcdHasEnded: Error {
    let number: Int
}
