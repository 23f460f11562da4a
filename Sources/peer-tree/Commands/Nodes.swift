#if Cluster
import ArgumentParser
import AsyncHTTPClient
import JSON
import NIOCore
import NIOHTTP1

/// `peer-tree nodes`
struct Nodes: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show the servers of a cluster, as one of them knows them.",
        discussion: """
            EXAMPLE
              peer-tree nodes http://127.0.0.1:3000
            """
    )

    @Argument(help: "The address of any of the servers.")
    var server: String

    @Flag(help: "Print the nodes as one JSON array.")
    var json = false

    func run() async throws {
        let (server, json) = (server, json)
        try await exiting {
            let nodes = try await Self.nodes(at: server)
            Terminal.say(json ? JSONValue.array(nodes).jsonString : NodeTable(nodes).text)
        }
    }

    private static func nodes(at server: String) async throws -> [JSONValue] {
        let status = try await status(of: server)
        guard let nodes = status["cluster"]?["nodes"]?.arrayValue else {
            throw Failure(
                status: .unavailable,
                message: "The server at \(server) is alone: it was started without --cluster."
            )
        }
        return nodes
    }

    private static let mostBytes = 16 << 20

    private static func status(of server: String) async throws -> JSONValue {
        do {
            let url = (server.hasSuffix("/") ? String(server.dropLast()) : server) + "/status"
            let response = try await HTTPClient.shared.execute(HTTPClientRequest(url: url), timeout: .seconds(10))
            guard response.status == .ok else {
                throw Failure(status: .unavailable, message: "\(url) answers with status \(response.status.code).")
            }
            return try JSONValue(parsing: Array(try await response.body.collect(upTo: mostBytes).readableBytesView))
        } catch let failure as Failure {
            throw failure
        } catch {
            throw Failure(status: .unavailable, message: "The server at \(server) cannot be asked: \(error)")
        }
    }
}

/// Nodes as people read them.
struct NodeTable {
    private let rows: [[String]]

    init(_ nodes: [JSONValue]) {
        func number(_ value: JSONValue?) -> String {
            value?.doubleValue.flatMap { Int(exactly: $0) }.map(String.init) ?? "-"
        }
        let body = nodes.map { node -> [String] in
            [
                node["name"]?.stringValue ?? "-", node["address"]?.stringValue ?? "(asked)",
                node["version"]?.stringValue ?? "-", number(node["slots"]), number(node["clients"]),
                number(node["trees"]),
                number(node["peers"]), Self.state(of: node),
            ]
        }
        rows = [["NODE", "ADDRESS", "VERSION", "SLOTS", "SOCKETS", "TREES", "PEERS", "STATE"]] + body
    }

    private static func state(of node: JSONValue) -> String {
        guard node["reachable"]?.boolValue == true else { return "unreachable" }
        if node["leaving"]?.boolValue == true { return "leaving" }
        return node["confirmed"]?.boolValue == true ? "confirmed" : "unconfirmed"
    }

    /// Names to the left, numbers to the right.
    var text: String {
        let widths = (rows.first ?? []).indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            row.indices.map { column -> String in
                let space = String(repeating: " ", count: widths[column] - row[column].count)
                let isNumber = (3...6).contains(column)
                if column == row.count - 1 { return row[column] }
                return isNumber ? space + row[column] : row[column] + space
            }.joined(separator: "  ")
        }.joined(separator: "\n")
    }
}
#endif
