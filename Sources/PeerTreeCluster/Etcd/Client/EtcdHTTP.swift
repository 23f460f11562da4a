import AsyncHTTPClient
import JSON
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import PeerTreeCore

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// Single calls to single members of etcd's cluster: requests to HTTP, and answers and errors back.
struct EtcdHTTP: Sendable {
    private let client: HTTPClient

    init(_ options: EtcdOptions) throws(EtcdOptionsError) {
        var configuration = HTTPClient.Configuration(
            tlsConfiguration: try Self.tls(options.tls),
            redirectConfiguration: .disallow
        )
        configuration.httpVersion = .http1Only
        configuration.timeout.connect = .nanoseconds(Int64(clamping: options.attemptLimit.nanoseconds))
        // A member that refuses is left for another one at once.
        configuration.connectionPool.retryConnectionEstablishment = false
        client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }

    func shutdown() async throws { try await client.shutdown() }

    private static func tls(_ files: EtcdTLS) throws(EtcdOptionsError) -> TLSConfiguration {
        var tls = TLSConfiguration.makeClientConfiguration()
        do {
            if let authorities = files.authorities {
                tls.trustRoots = .certificates(try NIOSSLCertificate.fromPEMFile(authorities))
            }
            if let certificate = files.certificate, let key = files.key {
                tls.certificateChain = try NIOSSLCertificate.fromPEMFile(certificate).map { .certificate($0) }
                tls.privateKey = .privateKey(try NIOSSLPrivateKey(file: key, format: .pem))
            }
        } catch {
            let named = [files.authorities, files.certificate, files.key].compactMap { $0 }.joined(separator: ", ")
            throw EtcdOptionsError("the files for etcd's TLS (\(named)) cannot be used: \(error). All have to be PEM")
        }
        guard (files.certificate == nil) == (files.key == nil) else {
            throw EtcdOptionsError("of the certificate for etcd and its key only one is given: give both or none")
        }
        return tls
    }

    // MARK: Calls

    func ask(
        _ request: EtcdRequest,
        at endpoint: EtcdEndpoint,
        token: String?,
        until deadline: Instant
    ) async throws(EtcdError) -> EtcdAnswer {
        let (status, body) = try await mappingErrors(of: endpoint) {
            let call = Self.call(endpoint, request.path, request.json.jsonBytes, token)
            let response = try await client.execute(call, deadline: Self.deadline(deadline))
            var body: [UInt8] = []
            for try await piece in response.body {
                body += piece.readableBytesView
                guard body.count <= EtcdLimits.answerBytes else {
                    throw EtcdError(.malformed, "etcd's answer has more than \(EtcdLimits.answerBytes) bytes")
                }
            }
            return (Int(response.status.code), body)
        }
        return try EtcdAnswer(to: request, status: status, body: body)
    }

    func watch(
        _ watch: EtcdWatch,
        at endpoint: EtcdEndpoint,
        token: String?,
        _ receive: @Sendable (EtcdWatchMessage) async -> Void
    ) async throws(EtcdError) {
        try await mappingErrors(of: endpoint) {
            let call = Self.call(endpoint, EtcdWatch.path, watch.json.jsonBytes, token)
            let response = try await client.execute(call, deadline: .distantFuture)
            var splitter = JSONObjectSplitter()
            for try await piece in response.body {
                for object in try splitter.split(piece.readableBytesView) {
                    let message = try EtcdWatchMessage(parsing: object, status: Int(response.status.code))
                    await receive(message)
                    // etcd leaves the stream open behind it.
                    if case .compacted = message { return }
                }
            }
        }
    }

    private static func call(
        _ endpoint: EtcdEndpoint,
        _ path: String,
        _ body: [UInt8],
        _ token: String?
    ) -> HTTPClientRequest {
        var call = HTTPClientRequest(url: endpoint.description + path)
        call.method = .POST
        call.headers.add(name: "content-type", value: "application/json")
        if let token { call.headers.add(name: "authorization", value: token) }
        call.body = .bytes(body)
        return call
    }

    /// On the client's clock, which stands still where ``BootTime`` does not: a call then ends late, but it ends.
    private static func deadline(_ deadline: Instant) -> NIODeadline {
        .now() + .nanoseconds(Int64(clamping: (deadline - BootTime.now).nanoseconds))
    }

    // MARK: Errors

    private func mappingErrors<Result>(
        of endpoint: EtcdEndpoint,
        _ body: () async throws -> Result
    ) async throws(EtcdError) -> Result {
        do {
            return try await body()
        } catch let error as EtcdError {
            throw error
        } catch let error as HTTPClientError where error == .deadlineExceeded || error == .readTimeout {
            throw EtcdError(
                .timedOut,
                "etcd at \(endpoint) has not answered in time: is it running, and does it have a quorum?"
            )
        } catch  where Self.isOfTLS(error) {
            throw EtcdError(
                error is BoringSSLError ? .cutOff : .notConnected,
                "etcd at \(endpoint) and this server do not take each other's certificates: check --etcd-authorities, "
                    + "--etcd-certificate and --etcd-key, and that the address is in etcd's (\(error))"
            )
        } catch {
            let isConnected = !Self.saysNoConnection(error)
            let how =
                isConnected ? "the connection to etcd at \(endpoint) ended" : "etcd at \(endpoint) cannot be reached"
            throw EtcdError(isConnected ? .cutOff : .notConnected, "\(how): \(error)")
        }
    }

    private static func saysNoConnection(_ error: any Error) -> Bool {
        if let error = error as? HTTPClientError {
            return error == .connectTimeout || error == .tlsHandshakeTimeout || error == .getConnectionFromPoolTimeout
        }
        if let error = error as? IOError {
            return [ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, ETIMEDOUT].contains(error.errnoCode)
        }
        return error is NIOConnectionError
    }

    private static func isOfTLS(_ error: any Error) -> Bool {
        error is NIOSSLError || error is NIOSSLExtraError || error is BoringSSLError
    }
}

extension EtcdWatchMessage {
    fileprivate init(parsing bytes: [UInt8], status: Int) throws(EtcdError) {
        let json = try EtcdAnswer.parse(bytes, status: status)
        if let error = EtcdError(status: status, json) { throw error }
        try self.init(json)
    }
}
