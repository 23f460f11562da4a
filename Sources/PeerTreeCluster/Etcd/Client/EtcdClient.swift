import NIOConcurrencyHelpers
import PeerTreeCore

/// Asks etcd over its JSON gateway: each call at the member that answered last, and, where that fails and asking twice does
/// no harm, at the others, within a limit of time.
///
/// It decides nothing but that: what is asked, and what an ambiguous answer means, is up to who asks.
package final class EtcdClient: Sendable {
    private struct State {
        var choice: EndpointChoice
        var token: String?
        /// etcd has said that it takes no names and passwords.
        var needsNoToken = false
    }

    private let options: EtcdOptions
    private let http: EtcdHTTP
    private let state: NIOLockedValueBox<State>

    /// - Throws: ``EtcdOptionsError`` if a file of `options` cannot be read or no endpoint is named.
    package init(_ options: EtcdOptions) throws(EtcdOptionsError) {
        guard !options.endpoints.isEmpty else {
            throw EtcdOptionsError("no address of etcd's is given: name at least one")
        }
        self.options = options
        http = try EtcdHTTP(options)
        state = NIOLockedValueBox(State(choice: EndpointChoice(count: options.endpoints.count)))
    }

    /// Closes all connections; nothing may be asked afterwards.
    package func shutdown() async throws { try await http.shutdown() }

    /// Asks, and returns etcd's answer.
    ///
    /// - Throws: ``EtcdError``. If that ``EtcdError/isAmbiguous``, a write may have happened.
    package func ask(_ request: EtcdRequest) async throws(EtcdError) -> EtcdAnswer {
        let deadline = BootTime.now + options.callLimit
        var hasRenewedToken = false
        while true {
            let number = state.withLockedValue { $0.choice.next(at: BootTime.now) }
            do {
                let answer = try await attempt(request, at: number, until: deadline)
                state.withLockedValue { $0.choice.answered(number) }
                return answer
            } catch {
                if error.asksForToken, !hasRenewedToken, options.user != nil {
                    hasRenewedToken = true
                    forgetToken()
                    continue
                }
                guard error.isWorthAnotherMember else { throw error }
                state.withLockedValue { $0.choice.failed(number, at: BootTime.now) }
                let isWorthwhile = BootTime.now + .milliseconds(100) < deadline
                guard request.mayBeRepeated || !error.isAmbiguous, isWorthwhile else { throw error }
                // All members at once may be away; asking them in a circle would keep a processor busy.
                try await pause(after: error)
            }
        }
    }

    private func pause(after error: EtcdError) async throws(EtcdError) {
        do { try await Task.sleep(for: .milliseconds(50)) } catch { throw EtcdError(.cutOff, "the call was cancelled") }
    }

    private func attempt(
        _ request: EtcdRequest,
        at number: Int,
        until deadline: Instant
    ) async throws(EtcdError) -> EtcdAnswer {
        let limit = min(deadline, BootTime.now + options.attemptLimit)
        let token = try await token(at: number, until: limit)
        return try await http.ask(request, at: options.endpoints[number], token: token, until: limit)
    }

    // MARK: Watching

    /// Tells `receive` what a watch says, until it ends.
    ///
    /// A watch that says nothing may be dead: a member without quorum keeps it open, and 3.4 may lose events. Who watches
    /// must also list (``KeyMirror``).
    /// - Throws: ``EtcdError`` when etcd or the connection ends it, and nothing when etcd ends it in order.
    package func watch(
        _ watch: EtcdWatch,
        _ receive: @Sendable (EtcdWatchMessage) async -> Void
    ) async throws(EtcdError) {
        let number = state.withLockedValue { $0.choice.next(at: BootTime.now) }
        do {
            let token = try await token(at: number, until: BootTime.now + options.attemptLimit)
            try await http.watch(watch, at: options.endpoints[number], token: token, receive)
        } catch {
            if error.asksForToken { forgetToken() }
            if error.isWorthAnotherMember { state.withLockedValue { $0.choice.failed(number, at: BootTime.now) } }
            throw error
        }
    }

    // MARK: Tokens

    private func forgetToken() {
        state.withLockedValue {
            $0.token = nil
            $0.needsNoToken = false
        }
    }

    private func token(at number: Int, until deadline: Instant) async throws(EtcdError) -> String? {
        guard let user = options.user else { return nil }
        let (known, needsNone) = state.withLockedValue { ($0.token, $0.needsNoToken) }
        if known != nil || needsNone { return known }
        let request = EtcdRequest.authenticate(user: user.name, password: user.password)
        do {
            let answer = try await http.ask(request, at: options.endpoints[number], token: nil, until: deadline)
            guard case .token(let token) = answer else { return nil }
            state.withLockedValue { $0.token = token }
            return token
        } catch {
            guard error.saysNoAuthentication else { throw error }
            state.withLockedValue { $0.needsNoToken = true }
            return nil
        }
    }
}
