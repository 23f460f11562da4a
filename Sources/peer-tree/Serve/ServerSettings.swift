import ArgumentParser
import Foundation
import Logging
import NIOCore
import NIOHTTP1
import PeerTreeCore
import PeerTreeServer
import PeerTreeSignalling
import ServiceLifecycle
import SocketIO

/// What a server is started with, by `serve` or inside `broadcast` and `demo`.
struct ServerSettings: Sendable {
    var host = "127.0.0.1"
    var port = 3000
    var k = 4
    var k1 = 10
    /// Event loops for sockets and trees.
    var loops = System.coreCount
    /// The folder with the browser client; nil looks for it.
    var web: String?
    var log = LogSettings(level: .error)
    /// The files of the certificate and its key.
    var tls: (certificate: String, key: String)?
    /// The files of the public keys of tokens.
    var tokenKeys: (publicKey: String?, keySet: String?)
    /// Who may look at the dashboard.
    var dashboard = DashboardAccess.nobody
    /// What `/metrics` shows.
    var metrics: PrometheusMetrics?
    var signalling = SignallingOptions()
    /// Who may create trees and who may join them.
    var access = AccessPolicy()
    var stateKey = StateKeyFile.none
    /// The other servers; nil if it is alone.
    var cluster: ClusterSettings?
    var socketIO = {
        var configuration = SocketIOServerConfiguration()
        // Deployed clients of the original came with socket.io-client 2 and 4.
        configuration.allowEIO3 = true
        return configuration
    }()

    /// The defaults, but that nothing except errors is logged.
    init() {}

    /// Reads every setting.
    ///
    /// - Throws: an error that names the setting, the value and what is allowed.
    init(_ reader: inout SettingsReader) throws {
        host = try reader.text("host", "an address", default: host) ?? host
        port = try reader.integer("port", default: port, in: 0...65_535)
        web = try reader.text("web", "a folder", where: { _ in true })
        k = try reader.integer("k", default: k, in: 1...64)
        k1 = try reader.integer("k1", default: k1, in: 1...64)
        log.level = try reader.choice("log-level", default: LogSettings.Level.info)
        log.format = try reader.choice("log-format", default: LogSettings.Format.text)
        let shutdown = try reader.seconds("shutdown-timeout", default: 2, in: 0...600)
        socketIO.closeTimeout = .nanoseconds(Int64(shutdown * 1e9))
        cluster = try ClusterSettings(&reader)
        try readTrees(&reader)
        try readAccess(&reader)
        try readProxies(&reader)
        try readHosts(&reader)
        try readPings(&reader)
        try readSecrets(&reader)
        try readLimits(&reader)
        signalling.iceServers = try ICEServerOptions(&reader)
        try reader.refuseUnknownNames()
    }

    private mutating func readTrees(_ reader: inout SettingsReader) throws {
        loops = try reader.integer("loops", in: 1...Slot.count) ?? System.coreCount
        signalling.tracker.assignsStandbys = try reader.choice("standbys", default: Switch.on) == .on
        // Those whose server has died come back by another one: they find it, and are many.
        let window: Double = cluster == nil ? 15 : 60
        signalling.tracker.resumeWindow = try reader.span("resume-window", default: window)
        signalling.tracker.sourceResumeWindow = try reader.span("source-resume-window", default: window)
        signalling.tracker.restoreWindow = try reader.span("restore-window", default: 10)
        signalling.restorationWait = try reader.span("restore-wait", default: 8)
        if let path = try reader.text("state-key", "the path of a file") { stateKey = .file(path) }
        let secret = try reader.text("state-secret", "a text of at least 32 characters", isSecret: true) {
            $0.count >= 32
        }
        if let secret { stateKey = .secret(secret) }
        if cluster != nil, case .none = stateKey {
            throw ValidationError("--cluster needs --state-key or --state-secret, the same key for all servers.")
        }
    }

    private mutating func readAccess(_ reader: inout SettingsReader) throws {
        let origins = try reader.list("origins", "* or origins such as https://example.org", default: ["*"]) {
            $0 == "*" || $0.hasPrefix("https://") || $0.hasPrefix("http://")
        }
        if origins.contains("*") {
            socketIO.cors = CORSConfiguration(origins: .any)
        } else {
            let allowed = Set(origins)
            socketIO.cors = CORSConfiguration(origins: .list(allowed))
            // A WebSocket is open to all origins by itself, so its request is looked at. Programs send no origin.
            socketIO.allowRequest = { request in
                request.headers["origin"].allSatisfy { allowed.contains($0) }
            }
        }
    }

    private mutating func readProxies(_ reader: inout SettingsReader) throws {
        let allowed = "addresses or networks such as 192.0.2.1 and 10.0.0.0/8"
        let ranges = try reader.list("trusted-proxies", allowed, default: []) { AddressRange($0) != nil }
        socketIO.trustedProxies = ranges.compactMap { AddressRange($0) }
    }

    private mutating func readPings(_ reader: inout SettingsReader) throws {
        // Clients have others to go to when their server's host vanishes without a word, so they should hear it missing soon.
        let (interval, timeout): (Double, Double) = cluster == nil ? (25, 20) : (10, 10)
        func amount(_ seconds: Double) -> TimeAmount { .milliseconds(Int64(seconds * 1_000)) }
        socketIO.pingInterval = amount(try reader.seconds("ping-interval", default: interval, in: 1...3_600))
        socketIO.pingTimeout = amount(try reader.seconds("ping-timeout", default: timeout, in: 1...3_600))
    }

    private mutating func readHosts(_ reader: inout SettingsReader) throws {
        let allowed = "names or addresses without ports, such as tree.example.org"
        signalling.hosts = try reader.list("hosts", allowed, default: []) { host in
            !host.isEmpty && host.utf8.count <= 255 && !host.contains { $0.isWhitespace || $0 == "/" }
        }
    }

    private mutating func readSecrets(_ reader: inout SettingsReader) throws {
        let allowed = "a text of at least 16 characters"
        func secret(_ name: String) throws -> String? {
            try reader.text(name, allowed, isSecret: true) { $0.count >= 16 }
        }
        access.createSecret = try secret("create-secret")
        access.joinSecret = try secret("join-secret")
        access.tokenSecret = try secret("jwt-secret")
        tokenKeys.publicKey = try reader.text("jwt-public-key", "the path of a file")
        tokenKeys.keySet = try reader.text("jwt-key-set", "the path of a file")
        access.tokenIssuer = try reader.text("jwt-issuer")
        access.tokenAudience = try reader.text("jwt-audience")
        let dashboard = try reader.choice("dashboard", default: DashboardAudience.nobody)
        let dashboardSecret = try secret("dashboard-secret")
        if dashboard == .everybody {
            self.dashboard = .everybody
        } else if let dashboardSecret {
            self.dashboard = .bearer(of: dashboardSecret)
        }
        let certificate = try reader.text("tls-certificate", "the path of a file")
        let key = try reader.text("tls-key", "the path of a file")
        guard let certificate, let key else {
            guard certificate == nil, key == nil else {
                throw ValidationError("tls-certificate and tls-key must be given together.")
            }
            return
        }
        tls = (certificate, key)
    }

    private mutating func readLimits(_ reader: inout SettingsReader) throws {
        let many = 1...10_000_000
        socketIO.maximumConnections = try reader.integer("max-connections", default: 100_000, in: many)
        socketIO.maximumSessions = try reader.integer("max-sessions", default: 100_000, in: many)
        let perAddress = try reader.integer("max-connections-per-address", default: 20_000, in: many)
        socketIO.maximumConnectionsPerAddress = perAddress
        socketIO.maximumSessionsPerAddress = perAddress
        socketIO.maximumPayload = try reader.integer("max-payload", default: 1_000_000, in: 1_000...100_000_000)
        let buffered = try reader.integer("max-buffered-bytes", default: 4 << 20, in: 65_536...1_000_000_000)
        socketIO.maximumBufferedBytes = buffered
        signalling.tracker.maximumTrees = try reader.integer("max-trees", default: 100_000, in: many)
        let peers = try reader.integer("max-peers-per-tree", default: 10_000_000, in: 2...100_000_000)
        signalling.tracker.maximumPeersPerTree = peers
        signalling.maximumPeers = try reader.integer("max-peers", default: 10_000_000, in: many)
        signalling.maximumWaitingJoins = try reader.integer("max-waiting-joins", default: 10_000, in: 0...10_000_000)
        signalling.maximumTreesPerSocket = try reader.integer("max-trees-per-socket", default: 100, in: many)
        signalling.maximumSocketsPerAddress = try reader.integer("max-sockets-per-address", default: 20_000, in: many)
        signalling.maximumTreesPerAddress = try reader.integer("max-trees-per-address", default: 1_000, in: many)
        signalling.joinsPerSecondPerAddress = try reader.integer(
            "joins-per-second-per-address",
            default: 1_000,
            in: many
        )
        signalling.joinBurstPerAddress = try reader.integer("join-burst-per-address", default: 20_000, in: many)
        signalling.eventsPerSecond = try reader.integer("events-per-second", default: 200, in: 1...1_000_000)
        signalling.eventBurst = try reader.integer("event-burst", default: 1_000, in: 1...1_000_000)
    }

    /// Checks what other commands take from flags of their own.
    ///
    /// - Throws: an error that names the option that is out of range.
    func validate() throws {
        guard (0...65_535).contains(port) else {
            throw ValidationError("--port must be 0 to 65535, not \(port).")
        }
        guard (1...64).contains(k) else { throw ValidationError("--k must be 1 to 64, not \(k).") }
        guard (1...64).contains(k1) else { throw ValidationError("--k1 must be 1 to 64, not \(k1).") }
    }

    /// The address as viewers use it. Of a server that listens on all addresses, one that others can reach.
    func url(port: Int) -> String {
        let name = host == "0.0.0.0" || host == "::" ? Self.reachableAddress ?? "127.0.0.1" : host
        let scheme = tls == nil ? "http" : "https"
        return name.contains(":") ? "\(scheme)://[\(name)]:\(port)" : "\(scheme)://\(name):\(port)"
    }

    private static var reachableAddress: String? {
        let devices = (try? System.enumerateDevices()) ?? []
        let addresses = devices.compactMap { $0.address }.filter { $0.protocol == .inet }.compactMap { $0.ipAddress }
        return addresses.first { !$0.hasPrefix("127.") && !$0.hasPrefix("169.254.") }
    }

    /// Serves until the task is cancelled.
    func run(onListening: @escaping @Sendable (SocketAddress) async -> Void) async throws {
        let logger = log.makeLogger("peer-tree.server")
        let io = SocketIOServer(configuration: socketIO, logger: logger)
        let key = try stateKey.load()
        var access = access
        access.tokenKeys = try await readTokenKeys()
        #if Cluster
        let node = try cluster.map { try ClusterServer($0, signalling: signalling, logger: logger) }
        let others = node?.port
        let stop: @Sendable () async -> Void = { await node?.leave() }
        #else
        guard cluster == nil else {
            throw ValidationError("--cluster: this peer-tree was built without the package trait Cluster.")
        }
        let others: NodePort? = nil
        let stop: @Sendable () async -> Void = {}
        #endif
        let peers = PeerTreeServer(
            io,
            k: k,
            k1: k1,
            options: signalling,
            access: access,
            stateKey: key,
            loops: loops,
            port: others
        )
        #if Cluster
        try await node?.start(peers)
        #endif
        var web = PeerTreeWebServer.Configuration()
        web.host = host
        web.port = port
        web.metrics = metrics
        web.dashboard = dashboard
        web.tls = try certificates()
        let hangup = web.tls.map { HangupSignal(reloading: $0, logger: logger) }
        defer { hangup?.cancel() }
        web.webFolder = self.web
        let server = PeerTreeWebServer(
            io: io,
            peers: peers,
            configuration: web,
            logger: logger,
            onListening: onListening,
            onStopping: stop
        )
        do {
            try await ServiceGroup(services: [server], logger: logger).run()
        } catch let error as ListenError {
            throw Failure(status: .osError, message: error.description)
        }
        #if Cluster
        await node?.stop()
        #endif
    }
}

/// Who may look at the dashboard without a secret.
enum DashboardAudience: String, CaseIterable {
    case nobody
    case everybody
}

/// Whether something is done that need not be.
enum Switch: String, CaseIterable {
    case on
    case off
}

extension ServerSettings {
    private func readTokenKeys() async throws -> AccessKeys {
        var keys = AccessKeys()
        func text(_ path: String) throws -> String {
            guard let data = FileManager.default.contents(atPath: path) else {
                throw Failure(status: .noInput, message: "The file '\(path)' with keys of tokens cannot be read.")
            }
            return String(decoding: data, as: UTF8.self)
        }
        for (path, isSet) in [(tokenKeys.publicKey, false), (tokenKeys.keySet, true)] {
            guard let path else { continue }
            let text = try text(path)
            do throws(AccessKeyError) {
                if isSet { try await keys.add(jwks: text) } else { try await keys.add(pem: text) }
            } catch {
                let reason = "cannot be used: \(error)."
                throw Failure(status: .noInput, message: "The file '\(path)' with keys of tokens \(reason)")
            }
        }
        return keys
    }

    private func certificates() throws -> TLSCertificates? {
        guard let tls else { return nil }
        do {
            return try TLSCertificates(certificateFile: tls.certificate, keyFile: tls.key)
        } catch {
            let files = "'\(tls.certificate)' and '\(tls.key)'"
            throw Failure(status: .noInput, message: "The certificate and key in \(files) cannot be used: \(error)")
        }
    }
}

extension SettingsReader {
    /// A time from 0 to a day.
    fileprivate mutating func span(_ name: String, default standard: Double) throws -> TimeSpan {
        TimeSpan(nanoseconds: UInt64(try seconds(name, default: standard, in: 0...86_400) * 1e9))
    }
}
