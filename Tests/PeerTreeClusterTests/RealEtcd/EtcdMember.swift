import Foundation
import NIOCore
import NIOPosix

/// A member of etcd's cluster as a program on this machine, with a folder of its own. Both are gone when it is.
final class EtcdMember {
    let clientAddress: String
    private let arguments: [String]
    private let folder: URL
    private var process: Process?

    /// - Parameters:
    ///   - number: Of the members in `ports`, this one.
    ///   - ports: Each member's port for clients, and that for the other members.
    init(number: Int, ports: [(client: Int, peer: Int)], options: [String]) throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("etcd-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        clientAddress = "http://127.0.0.1:\(ports[number].client)"
        let peer = "http://127.0.0.1:\(ports[number].peer)"
        let members = ports.enumerated().map { "m\($0)=http://127.0.0.1:\($1.peer)" }.joined(separator: ",")
        arguments =
            [
                "--name", "m\(number)", "--data-dir", folder.appendingPathComponent("data").path,
                "--listen-client-urls", clientAddress, "--advertise-client-urls", clientAddress,
                "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", members,
                "--logger", "zap", "--log-outputs", folder.appendingPathComponent("log").path,
            ] + options
    }

    deinit {
        kill()
        try? FileManager.default.removeItem(at: folder)
    }

    func start() throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["etcd"] + arguments
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        self.process = process
    }

    var hasEnded: Bool { !(process?.isRunning ?? false) }

    /// Ends it at once, as a failure of its machine would, and waits for that.
    func kill() {
        guard let process else { return }
        signal(SIGKILL)
        process.waitUntilExit()
        self.process = nil
    }

    func stop() { signal(SIGSTOP) }
    func goOn() { signal(SIGCONT) }

    /// All that it has been told is forgotten.
    func wipe() throws { try FileManager.default.removeItem(at: folder.appendingPathComponent("data")) }

    private func signal(_ number: Int32) {
        guard let process, process.isRunning else { return }
        Foundation.kill(process.processIdentifier, number)
    }
}

/// Ports that nobody listens on. They are bound all at once, so that they differ.
func freePorts(_ count: Int) async throws -> [Int] {
    var channels: [any Channel] = []
    for _ in 0..<count {
        let bootstrap = ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
        channels.append(try await bootstrap.bind(host: "127.0.0.1", port: 0).get())
    }
    let ports = channels.compactMap { $0.localAddress?.port }
    for channel in channels { try await channel.close().get() }
    return ports
}
