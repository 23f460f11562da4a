import Logging
import Synchronization

/// What all connections of a server share: its namespaces, options, counters and logger.
final class NamespaceRegistry: Sendable {
    private struct State {
        var namespaces: [String: SocketIONamespace]
        var families: [SocketIONamespaceFamily] = []
        /// How many sockets are in each namespace that belongs to a family, or on their way into it.
        var members: [String: Int] = [:]
    }

    let configuration: SocketIOServerConfiguration
    let refusals: RefusalCounter
    let logger: Logger
    private let recovery: RecoveryLog?
    private let state: Mutex<State>

    init(configuration: SocketIOServerConfiguration, refusals: RefusalCounter, logger: Logger) {
        self.configuration = configuration
        self.refusals = refusals
        self.logger = logger
        recovery = configuration.recovery.map(RecoveryLog.init)
        state = Mutex(State(namespaces: ["/": SocketIONamespace(name: "/", recovery: recovery)]))
    }

    /// The namespace of this name, made if need be.
    func namespace(_ name: String) -> SocketIONamespace {
        state.withLock { state in
            // What the application has asked for by name is kept, whoever made it.
            state.members[name] = nil
            if let existing = state.namespaces[name] { return existing }
            let namespace = SocketIONamespace(name: name, recovery: recovery)
            state.namespaces[name] = namespace
            return namespace
        }
    }

    func contains(_ name: String) -> Bool { state.withLock { $0.namespaces[name] != nil } }

    func add(_ family: SocketIONamespaceFamily) { state.withLock { $0.families.append(family) } }

    /// The namespace that a client asks for: one that the application has asked for, or one of a family, made if need
    /// be and kept until everyone who entered has left.
    func enter(_ name: String, auth: JSONObject) -> SocketIONamespace? {
        let families = state.withLock { state -> [SocketIONamespaceFamily]? in
            state.namespaces[name] != nil && state.members[name] == nil ? nil : state.families
        }
        guard let families else { return state.withLock { $0.namespaces[name] } }
        guard let family = families.first(where: { $0.includes(name, auth) }) else { return nil }
        return state.withLock { state in
            if let existing = state.namespaces[name] {
                state.members[name]? += 1
                return existing
            }
            let handlers = family.handlers
            let namespace = SocketIONamespace(name: name, handlers: handlers, recovery: recovery)
            state.namespaces[name] = namespace
            state.members[name] = 1
            return namespace
        }
    }

    /// A socket that entered is gone.
    func leave(_ namespace: SocketIONamespace) {
        state.withLock { state in
            guard let count = state.members[namespace.name] else { return }
            if count > 1 {
                state.members[namespace.name] = count - 1
            } else {
                state.members[namespace.name] = nil
                state.namespaces[namespace.name] = nil
            }
        }
    }
}
