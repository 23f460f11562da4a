import ArgumentParser
import SocketIO

/// How a command makes sure of a server behind `https`.
struct ServerTrust: ParsableArguments {
    @Option(
        name: .customLong("ca-file"),
        help: ArgumentHelp("Authorities to trust beside the system's, in PEM.", valueName: "file")
    )
    var authorities: String?

    @Option(
        name: .customLong("pin"),
        help: ArgumentHelp("Trust exactly the certificates in this file, in PEM, and no others.", valueName: "file")
    )
    var pinned: String?

    @Flag(
        name: .customLong("insecure"),
        help: "Trust any certificate. Whoever is on the way can then read and change everything: for tests alone."
    )
    var isInsecure = false

    func validate() throws {
        let given = [authorities != nil, pinned != nil, isInsecure].count { $0 }
        guard given <= 1 else { throw ValidationError("Of --ca-file, --pin and --insecure only one can be given.") }
    }

    /// The same for the client.
    var configuration: SocketIOTLSConfiguration {
        var tls = SocketIOTLSConfiguration()
        if let authorities { tls.trustRoots = [.file(authorities)] }
        if let pinned { tls.verification = .pinned(.file(pinned)) }
        if isInsecure { tls.verification = .insecure }
        return tls
    }
}
