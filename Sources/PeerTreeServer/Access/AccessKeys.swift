import JSON
import JWTKit

/// Public keys that sign the JSON Web Tokens of those who may create or join (RFC 7517, 7518 and 8037).
///
/// Each key serves the algorithms of its own kind and no other: RSA keys of at least 2,048 bits RS256, RS384, RS512,
/// PS256, PS384 and PS512; keys on the curves P-256, P-384 and P-521 ES256, ES384 and ES512; Ed25519 keys EdDSA. What a
/// token's header says only chooses among these, so that no public key can ever be taken for a shared secret.
public struct AccessKeys: Sendable {
    /// A key for one algorithm.
    private struct Key: Sendable {
        var id: String?
        var algorithm: any JWTAlgorithm
    }

    /// How many pairs of key and algorithm there can be.
    public static let maximumCount = 256

    /// How many of them one token is tried against: those of its algorithm, if it does not name its key.
    static let maximumTried = 8

    private static let limits = JSONLimits(maximumDepth: 8, maximumBytes: 1 << 20, maximumNodes: 10_000)

    private var keys: [Key] = []

    /// No keys.
    public init() {}

    /// Whether there are none.
    public var isEmpty: Bool { keys.isEmpty }

    /// Adds a public key in PEM (`BEGIN PUBLIC KEY`), which serves tokens with any key id.
    ///
    /// - Throws: ``AccessKeyError`` if it is no public key of a kind that is supported.
    public mutating func add(pem: String) async throws(AccessKeyError) {
        let found = JWTKeyCollection()
        var algorithms: [any JWTAlgorithm] = []
        do {
            if let key = try? EdDSA.PublicKey(pem: pem) {
                algorithms = [try await found.add(eddsa: key).getKey()]
            } else if let key = try? ES256PublicKey(pem: pem) {
                algorithms = [try await found.add(ecdsa: key).getKey()]
            } else if let key = try? ES384PublicKey(pem: pem) {
                algorithms = [try await found.add(ecdsa: key).getKey()]
            } else if let key = try? ES512PublicKey(pem: pem) {
                algorithms = [try await found.add(ecdsa: key).getKey()]
            } else if let key = try? Insecure.RSA.PublicKey(pem: pem) {
                for digest in [DigestAlgorithm.sha256, .sha384, .sha512] {
                    algorithms.append(try await JWTKeyCollection().add(rsa: key, digestAlgorithm: digest).getKey())
                    algorithms.append(try await JWTKeyCollection().add(pss: key, digestAlgorithm: digest).getKey())
                }
            }
        } catch {
            throw AccessKeyError(reason: "the key cannot be used: \(error)")
        }
        guard !algorithms.isEmpty else {
            throw AccessKeyError(
                reason: "it holds no public key in PEM of RSA with at least 2048 bits, P-256, P-384, P-521 or Ed25519"
            )
        }
        try append(algorithms.map { Key(id: nil, algorithm: $0) })
    }

    /// Adds the keys of a JSON Web Key Set. Keys for encryption and of kinds that are not supported, such as shared
    /// secrets, are passed over (RFC 7517, section 5).
    ///
    /// - Throws: ``AccessKeyError`` if it is no such set, has a private key, or no key that can be used.
    public mutating func add(jwks: String) async throws(AccessKeyError) {
        guard let set = try? JSONValue(parsing: jwks, limits: Self.limits), let entries = set["keys"]?.arrayValue
        else { throw AccessKeyError(reason: "it is not a JSON Web Key Set, an object with the array \"keys\"") }
        var found: [Key] = []
        for entry in entries {
            guard entry["kty"] == "oct" || entry["d"] == nil else {
                throw AccessKeyError(reason: "it has a private key: leave out the member \"d\", the server needs none")
            }
            found += await Self.keys(of: entry)
        }
        guard !found.isEmpty else {
            throw AccessKeyError(reason: "none of its \(entries.count) keys can verify signatures here")
        }
        try append(found)
    }

    /// Whether `signature` is that of `signed` by a key that is meant for this algorithm and has this id.
    func isSignature(_ signature: [UInt8], of signed: [UInt8], algorithm: String, keyID: String?) -> Bool {
        let candidates = keys.filter { key in
            key.algorithm.name == algorithm && (keyID == nil || key.id == nil || key.id == keyID)
        }
        return candidates.prefix(Self.maximumTried).contains { key in
            (try? key.algorithm.verify(signature, signs: signed)) ?? false
        }
    }

    private mutating func append(_ found: [Key]) throws(AccessKeyError) {
        guard keys.count + found.count <= Self.maximumCount else {
            throw AccessKeyError(reason: "there are more than \(Self.maximumCount) pairs of key and algorithm")
        }
        keys += found
    }

    /// One key of a set, once for every algorithm that it may serve.
    private static func keys(of entry: JSONValue) async -> [Key] {
        guard entry["use"] == nil || entry["use"] == "sig", let jwk = try? JWK(json: entry.jsonString)
        else { return [] }
        let possible = algorithms(kind: entry["kty"]?.stringValue, curve: entry["crv"]?.stringValue)
        let id = jwk.keyIdentifier?.string
        var found: [Key] = []
        for name in possible where entry["alg"] == nil || entry["alg"] == .string(name) {
            var jwk = jwk
            jwk.algorithm = JWK.Algorithm(rawValue: name)
            jwk.keyIdentifier = JWKIdentifier(string: id ?? "")
            let collection = JWTKeyCollection()
            guard let algorithm = try? await collection.add(jwk: jwk).getKey(for: jwk.keyIdentifier) else { continue }
            found.append(Key(id: id, algorithm: algorithm))
        }
        return found
    }

    private static func algorithms(kind: String?, curve: String?) -> [String] {
        switch (kind, curve) {
        case ("RSA", _): ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]
        case ("EC", "P-256"): ["ES256"]
        case ("EC", "P-384"): ["ES384"]
        case ("EC", "P-521"): ["ES512"]
        case ("OKP", "Ed25519"): ["EdDSA"]
        default: []
        }
    }
}

/// Why keys cannot be used.
public struct AccessKeyError: Error, CustomStringConvertible, Sendable {
    /// What is wrong with them.
    public var reason: String

    /// The same.
    public var description: String { reason }
}
