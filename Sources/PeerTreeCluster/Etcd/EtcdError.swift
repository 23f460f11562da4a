/// Why etcd did not do, or may not have done, what it was asked for.
package struct EtcdError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What kind of failure it was.
    package enum Code: Hashable, Sendable {
        /// etcd said no, with this status of gRPC's.
        case refused(status: Int)
        /// No connection came about.
        case notConnected
        /// The connection ended before the answer.
        case cutOff
        /// No answer in time.
        case timedOut
        /// An answer that is not what etcd's protocol allows, or larger than allowed.
        case malformed
    }

    package var code: Code
    /// A sentence that names the value and, where somebody can do something, what.
    package var message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { message }

    /// Whether a write may have happened all the same, now or later: who asked must read before it asks again.
    package var isAmbiguous: Bool {
        switch code {
        case .cutOff, .timedOut, .malformed: true
        case .notConnected: false
        case .refused(let status): ![3, 5, 7, 8, 9, 11, 16].contains(status)
        }
    }

    /// Whether the token that went along is not, or no longer, good: a new one is to be had by authenticating.
    var asksForToken: Bool {
        guard case .refused(let status) = code else { return false }
        return status == 16 || message.contains("user name is empty")
            || message.contains("revision of auth store is old")
    }

    /// Whether users and passwords are switched off.
    var saysNoAuthentication: Bool {
        guard case .refused = code else { return false }
        return message.contains("authentication is not enabled")
    }

    /// Whether another member of the cluster may be able to do what this one was not.
    var isWorthAnotherMember: Bool {
        guard case .refused = code else { return true }
        return isAmbiguous
    }
}
