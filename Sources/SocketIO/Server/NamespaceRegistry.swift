import Logging
import Synchronization

/// What all connections of a server share: its namespaces, options and logger.
final class NamespaceRegistry: Sendable {
    let configuration: SocketIOServerConfiguration
    let logger: Logger
    private let namespaces = Mutex(["/": SocketIONamespace(name: "/")])

    init(configuration: SocketIOServerConfiguration, logger: Logger) {
        self.configuration = configuration
        self.logger = logger
    }

    /// The namespace of this name, if the application has asked for it.
    func existing(_ name: String) -> SocketIONamespace? { namespaces.withLock { $0[name] } }

    /// The namespace of this name, made if need be.
    func namespace(_ name: String) -> SocketIONamespace {
        namespaces.withLock { namespaces in
            if let existing = namespaces[name] { return existing }
            let namespace = SocketIONamespace(name: name)
            namespaces[name] = namespace
            return namespace
        }
    }
}
