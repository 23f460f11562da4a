import AsyncHTTPClient
import JSON
import NIOCore
import NIOHTTP1

/// What an operator does at etcd, and this program never.
extension EtcdCluster {
    /// - Parameter token: Of a user who may.
    @discardableResult
    func operate(_ path: String, _ body: JSONValue = [:], at number: Int = 0, token: String? = nil) async throws
        -> JSONValue
    {
        var call = HTTPClientRequest(url: members[number].clientAddress + path)
        call.method = .POST
        if let token { call.headers.add(name: "authorization", value: token) }
        call.body = .bytes(body.jsonBytes)
        let response = try await HTTPClient.shared.execute(call, timeout: .seconds(30))
        let answer = try JSONValue(parsing: Array(try await response.body.collect(upTo: 1 << 20).readableBytesView))
        guard response.status == .ok else { throw OperatorError(path: path, answer: answer) }
        return answer
    }

    /// The number of the member that leads, as all of `numbers` see it.
    func leader() async throws -> Int {
        for number in members.indices {
            let status = try await operate("/v3/maintenance/status", at: number)
            if status["leader"] == status["header"]?["member_id"] { return number }
        }
        throw OperatorError(path: "status", answer: "nobody leads")
    }

    /// Forgets what came before `revision`.
    func compact(_ revision: Int64) async throws {
        try await operate("/v3/kv/compaction", ["revision": .string("\(revision)"), "physical": true])
    }

    /// Adds a root user of this password, and has names asked for from now on.
    func switchAuthenticationOn(password: String) async throws {
        try await operate("/v3/auth/user/add", ["name": "root", "password": .string(password)])
        try await operate("/v3/auth/role/add", ["name": "root"])
        try await operate("/v3/auth/user/grant", ["user": "root", "role": "root"])
        try await operate("/v3/auth/enable")
    }

    /// Has no names asked for from now on; all tokens are void.
    func switchAuthenticationOff(password: String) async throws {
        let answer = try await operate("/v3/auth/authenticate", ["name": "root", "password": .string(password)])
        try await operate("/v3/auth/disable", token: answer["token"]?.stringValue)
    }
}

struct OperatorError: Error {
    let path: String
    let answer: JSONValue
}
