import Foundation
import JSON
import NIOConcurrencyHelpers
import NIOCore
import SocketIO

/// A `peer-tree watch` in a process of its own, and what it has said so far.
final class ViewerProcess: Sendable {
    /// What a viewer reports at the end.
    struct Result: Sendable {
        var bytes: Int
        var sha256: String
        var lagMedian: Double?
        var lag99: Double?
        var lagMaximum: Double?
    }

    fileprivate struct State {
        var id: String?
        var isConnected = false
        var result: Result?
        var hasExited = false
        var unread: [UInt8] = []
    }

    /// Its name in the pictures, such as `v7`.
    let name: String
    private let state = NIOLockedValueBox(State())
    private let process: NIOLockedValueBox<Process>

    /// The id that the server gave it; nil until then.
    var id: String? { state.withLockedValue { $0.id } }
    /// Whether it has a parent.
    var isConnected: Bool { state.withLockedValue { $0.isConnected } }
    /// What it received, once it is done.
    var result: Result? { state.withLockedValue { $0.result } }
    /// Whether the process is over.
    var hasExited: Bool { state.withLockedValue { $0.hasExited } }
    /// The process id.
    let processID: Int32

    /// Starts a viewer.
    ///
    /// - Throws: ``Failure`` if the process cannot be started.
    init(name: String, link: WatchLink, children: Int) throws {
        self.name = name
        let process = Process()
        process.executableURL = URL(fileURLWithPath: Bundle.main.executablePath ?? CommandLine.arguments[0])
        process.arguments = ["watch", "\(link)", "--output", "/dev/null", "--json", "--children", "\(children)"]
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardInput = FileHandle.nullDevice
        do {
            try process.run()
        } catch {
            throw Failure(status: .osError, message: "A viewer cannot be started: \(error)")
        }
        processID = process.processIdentifier
        self.process = NIOLockedValueBox(process)
        let state = state
        pipe.fileHandleForReading.readabilityHandler = { handle in
            let data = handle.availableData
            if data.isEmpty {
                handle.readabilityHandler = nil
                state.withLockedValue { $0.hasExited = true }
            } else {
                state.withLockedValue { $0.take(data) }
            }
        }
    }

    /// Kills the process at once, without any goodbye.
    func kill() {
        Foundation.kill(processID, SIGKILL)
    }

    /// Ends the process if it still runs, and reaps it.
    func stop() {
        process.withLockedValue { process in
            if process.isRunning { process.terminate() }
        }
    }
}

extension ViewerProcess.State {
    fileprivate mutating func take(_ data: Data) {
        unread.append(contentsOf: data)
        while let end = unread.firstIndex(of: UInt8(ascii: "\n")) {
            let line = ByteBuffer(bytes: unread[..<end])
            unread.removeSubrange(...end)
            if let value = try? JSONValue(parsing: line) { note(value) }
        }
    }

    private mutating func note(_ value: JSONValue) {
        switch value["event"]?.stringValue {
        case "discover": id = value["id"]?.stringValue
        case "connect": isConnected = true
        case "end":
            result = ViewerProcess.Result(
                bytes: value["bytes"]?.intValue ?? 0,
                sha256: value["sha256"]?.stringValue ?? "",
                lagMedian: value["lag_p50_ms"]?.doubleValue,
                lag99: value["lag_p99_ms"]?.doubleValue,
                lagMaximum: value["lag_max_ms"]?.doubleValue
            )
        default: break
        }
    }
}
