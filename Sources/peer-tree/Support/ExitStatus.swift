import ArgumentParser

/// What the exit code of a command means. The numbers above 63 are those of sysexits(3).
enum ExitStatus: Int32 {
    /// The stream broke off, or what arrived is not what was sent.
    case incomplete = 1
    /// An input file cannot be read.
    case noInput = 66
    /// A server cannot be reached, or refuses.
    case unavailable = 69
    /// Something went wrong inside.
    case software = 70
    /// The system refused a resource, such as a port.
    case osError = 71
    /// An output cannot be written.
    case cannotCreate = 73
    /// Reading or writing failed under way.
    case inputOutput = 74
    /// A broadcast cannot be opened: its key is missing or another one.
    case locked = 77
    /// Ended by Ctrl-C.
    case interrupted = 130
    /// Ended by SIGTERM.
    case terminated = 143

    /// The error that makes the process exit with this code.
    var exit: ExitCode { ExitCode(rawValue) }
}

/// Ends a command: one sentence for the user, and an exit code.
struct Failure: Error {
    var status: ExitStatus
    var message: String
}
