#if Cluster
import ArgumentParser
import Logging
import NIOCore
import NIOPosix
import NodeLinks
import PeerTreeCluster
import PeerTreeCore
import PeerTreeServer
import PeerTreeSignalling

/// A server's life as one of several.
struct ClusterServer {
    private let member: ClusterMember
    private let logger: Logger

    /// - Throws: an error that names the setting that cannot be.
    init(_ settings: ClusterSettings, signalling: SignallingOptions, logger: Logger) throws {
        self.logger = logger
        let options = try ClusterOptions(settings)
        logger.info("this server is node '\(options.node.name)', run \(String(options.node.run, radix: 16))")
        do {
            member = try ClusterMember(
                options,
                signalling: signalling,
                on: MultiThreadedEventLoopGroup.singleton.next()
            ) { notice in
                logger.log(level: Logger.Level(notice.severity), "\(notice)")
            }
        } catch let error as EtcdOptionsError {
            throw ValidationError("cluster: \(error)")
        }
    }

    /// Leads a server to the other nodes.
    var port: NodePort {
        NodePort(
            send: { [member] messages, node in member.send(messages, to: node) },
            handOver: { [member] slot, term, snapshot in member.handOver(slot, term, snapshot) },
            status: { [member] in await member.status.json },
            elsewhere: { [member] in await member.elsewhere },
            figures: { [member] in NodeFigures(await member.figures) }
        )
    }

    /// Joins the cluster.
    func start(_ server: PeerTreeServer) async throws {
        do {
            let address = try await member.start(
                ClusterMember.Server(
                    loops: server.loopCount,
                    list: { await server.ownTrees },
                    hear: { server.hear($0) },
                    hearAt: { server.hear(at: $0, $1) }
                )
            )
            logger.info("other servers reach this one at \(address)")
        } catch let error as ClusterOptionsError {
            throw ValidationError("\(error)")
        } catch {
            throw Failure(status: .osError, message: "This server cannot listen for the others: \(error)")
        }
    }

    /// Gives away what it owns, before its sockets go.
    func leave() async {
        // A task of its own: the server's is cancelled by then, and would wait for nothing.
        let leaving = Task { [member] in await member.leave() }
        if await leaving.value {
            logger.info("the other servers have all that this one had")
        } else {
            logger.warning("not all that this server had went to others in time: they claim it once its lease is over")
        }
    }

    func stop() async { await member.stop() }
}

extension Logger.Level {
    init(_ severity: ClusterNotice.Severity) {
        switch severity {
        case .detail: self = .debug
        case .news: self = .info
        case .warning: self = .warning
        }
    }
}

extension NodeFigures {
    init(_ figures: ClusterFigures) {
        self.init(
            gauges: [
                "cluster_nodes": figures.nodes,
                "cluster_slots": figures.slots,
                "cluster_confirmed": figures.isConfirmed ? 1 : 0,
                "cluster_link_queued_frames": figures.links.queuedFrames,
                "cluster_link_queued_bytes": figures.links.queuedBytes,
            ],
            totals: [
                "cluster_unconfirmed_seconds": figures.unconfirmedSeconds,
                "cluster_term_changes": figures.counts.termChanges,
                "cluster_link_refusals": figures.counts.refusals,
                "cluster_inherited_slots": figures.counts.inherited,
                "cluster_lost_sessions": figures.counts.lostSessions,
                "cluster_unreadable": figures.counts.unreadable,
            ]
        )
    }
}

extension ClusterOptions {
    init(_ settings: ClusterSettings) throws {
        guard let advertised = LinkAddress(settings.advertise) else {
            throw ValidationError("advertise must be HOST:PORT, not '\(settings.advertise)'.")
        }
        let name = settings.nodeName ?? String(advertised.description.map { ":[]%".contains($0) ? "-" : $0 })
        guard let node = NodeID(name: name, run: UInt64.random(in: 1...UInt64.max)) else {
            throw ValidationError(
                "'\(name)' is no name for a server: say --node-name, 1 to 64 of letters, digits and . _ -."
            )
        }
        do {
            var etcd = EtcdOptions(endpoints: try settings.etcd.map { try EtcdEndpoint($0) })
            etcd.user = settings.user.map { EtcdUser(name: $0.name, password: $0.password) }
            etcd.tls = EtcdTLS(
                authorities: settings.authorities,
                certificate: settings.certificate?.file,
                key: settings.certificate?.key
            )
            let secrets = try LinkSecrets(try settings.secrets())
            self.init(node: node, advertised: advertised, etcd: etcd, secrets: secrets)
        } catch let error as EtcdOptionsError {
            throw ValidationError("cluster: \(error)")
        } catch let error as LinkSecretsError {
            throw ValidationError("cluster-secret-file: \(error)")
        }
        listenHost = settings.listen
        version = "\(PackageVersion.current)"
        ownership.prefix = settings.prefix
        ownership.leaseSeconds = Int64(settings.leaseSeconds)
    }
}
#endif
