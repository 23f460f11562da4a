import Crypto
import CryptoExtras
import Foundation
import JSON
import PeerTreeSignalling
import Testing

@testable import PeerTreeServer

/// Tokens are signed here with the primitives, by none of the code under test.
@Suite("Tokens signed with public keys", .timeLimit(.minutes(5)))
struct AccessKeyTests {
    /// A private key and what a server gets of it.
    private struct Signer {
        var algorithms: [String]
        var pem: String
        var jwk: JSONObject
        var sign: (_ algorithm: String, _ data: Data) throws -> Data
    }

    private static func base64(_ data: Data) -> JSONValue { .string(Base64URL.encode(Array(data))) }

    private static func makeSigners() throws -> [Signer] {
        let (p256, p384, p521) = (P256.Signing.PrivateKey(), P384.Signing.PrivateKey(), P521.Signing.PrivateKey())
        let (ed25519, rsa) = (Curve25519.Signing.PrivateKey(), try _RSA.Signing.PrivateKey(keySize: .bits2048))
        func point(_ bytes: Data, _ curve: String) -> JSONObject {
            let half = bytes.count / 2
            let (x, y) = (base64(bytes.prefix(half)), base64(bytes.suffix(half)))
            return ["kty": "EC", "crv": .string(curve), "x": x, "y": y]
        }
        let primitives = try rsa.publicKey.getKeyPrimitives()
        return [
            Signer(
                algorithms: ["ES256"],
                pem: p256.publicKey.pemRepresentation,
                jwk: point(p256.publicKey.rawRepresentation, "P-256")
            ) { try p256.signature(for: $1).rawRepresentation },
            Signer(
                algorithms: ["ES384"],
                pem: p384.publicKey.pemRepresentation,
                jwk: point(p384.publicKey.rawRepresentation, "P-384")
            ) { try p384.signature(for: $1).rawRepresentation },
            Signer(
                algorithms: ["ES512"],
                pem: p521.publicKey.pemRepresentation,
                jwk: point(p521.publicKey.rawRepresentation, "P-521")
            ) { try p521.signature(for: $1).rawRepresentation },
            Signer(
                algorithms: ["EdDSA"],
                pem: pem(ofEd25519: ed25519.publicKey.rawRepresentation),
                jwk: ["kty": "OKP", "crv": "Ed25519", "x": base64(ed25519.publicKey.rawRepresentation)]
            ) { try ed25519.signature(for: $1) },
            Signer(
                algorithms: ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"],
                pem: rsa.publicKey.pemRepresentation,
                jwk: ["kty": "RSA", "n": base64(primitives.modulus), "e": base64(primitives.publicExponent)]
            ) { algorithm, data in
                let padding: _RSA.Signing.Padding = algorithm.hasPrefix("PS") ? .PSS : .insecurePKCS1v1_5
                return switch algorithm.suffix(3) {
                case "256": try rsa.signature(for: SHA256.hash(data: data), padding: padding).rawRepresentation
                case "384": try rsa.signature(for: SHA384.hash(data: data), padding: padding).rawRepresentation
                default: try rsa.signature(for: SHA512.hash(data: data), padding: padding).rawRepresentation
                }
            },
        ]
    }

    /// The SubjectPublicKeyInfo of RFC 8410.
    private static func pem(ofEd25519 key: Data) -> String {
        let prefix: [UInt8] = [0x30, 0x2A, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x03, 0x21, 0x00]
        let text = Data(prefix + Array(key)).base64EncodedString()
        return "-----BEGIN PUBLIC KEY-----\n\(text)\n-----END PUBLIC KEY-----\n"
    }

    private func token(
        _ signer: Signer,
        _ algorithm: String,
        header: String = "",
        claims: String = #"{"create":true}"#,
        signedWith other: String? = nil
    ) throws -> String {
        let head = #"{"alg":"\#(algorithm)"\#(header)}"#
        let signed = Base64URL.encode(Array(head.utf8)) + "." + Base64URL.encode(Array(claims.utf8))
        return signed + "." + Base64URL.encode(Array(try signer.sign(other ?? algorithm, Data(signed.utf8))))
    }

    private func policy(_ keys: AccessKeys) -> AccessPolicy {
        var policy = AccessPolicy()
        policy.tokenKeys = keys
        return policy
    }

    @Test("Every algorithm is verified with a key in PEM and with one of a key set")
    func algorithms() async throws {
        let signers = try Self.makeSigners()
        for signer in signers {
            var pem = AccessKeys()
            try await pem.add(pem: signer.pem)
            var set = AccessKeys()
            try await set.add(jwks: JSONValue.object(["keys": [.object(signer.jwk)]]).jsonString)
            for algorithm in signer.algorithms {
                let good = try token(signer, algorithm)
                for keys in [pem, set] {
                    #expect(AccessClaims(good, policy: policy(keys))?.create == true, "\(algorithm)")
                    let forged = String(good.dropLast(8)) + "AAAAAAAA"
                    #expect(AccessClaims(forged, policy: policy(keys)) == nil, "\(algorithm)")
                }
            }
        }
        let access = policy(AccessKeys())
        #expect(!access.restrictsCreating)
        #expect(AccessClaims(try token(signers[0], "ES256"), policy: access) == nil)
    }

    @Test("The example of RFC 8037, appendix A.4, is verified")
    func knownSignature() async throws {
        var keys = AccessKeys()
        let jwk = #"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#
        try await keys.add(jwks: #"{"keys":[\#(jwk)]}"#)
        let signed = Array("eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc".utf8)
        let text = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
        let signature = try #require(Base64URL.decode(text))
        #expect(keys.isSignature(signature, of: signed, algorithm: "EdDSA", keyID: nil))
        #expect(!keys.isSignature(signature, of: signed + [0], algorithm: "EdDSA", keyID: nil))
    }

    @Test("No token passes by naming another algorithm than its key's: not a shared one, not none, not a sibling")
    func confusion() async throws {
        let signers = try Self.makeSigners()
        var keys = AccessKeys()
        for signer in signers { try await keys.add(pem: signer.pem) }
        var both = policy(keys)
        both.tokenSecret = "the shared secret"
        for signer in signers {
            // The public key is no secret: whoever has it must not be able to sign with it.
            for secret in [signer.pem, signer.pem.trimmingCharacters(in: .newlines)] {
                for policy in [policy(keys), both] {
                    let forger = Signer(algorithms: [], pem: "", jwk: [:]) { _, data in
                        Data(HMAC<SHA256>.authenticationCode(for: data, using: SymmetricKey(data: Data(secret.utf8))))
                    }
                    #expect(AccessClaims(try token(forger, "HS256"), policy: policy) == nil)
                }
            }
            for algorithm in signer.algorithms {
                for other in ["none", "None", "HS256", "RS256", "PS256", "ES256", "ES384", "EdDSA", "", "es256"]
                where other != algorithm {
                    let wrong = try token(signer, other, signedWith: algorithm)
                    #expect(AccessClaims(wrong, policy: both) == nil, "\(algorithm) as \(other)")
                }
            }
        }
        let shared = Signer(algorithms: [], pem: "", jwk: [:]) { _, data in
            Data(HMAC<SHA512>.authenticationCode(for: data, using: SymmetricKey(data: Data("the shared secret".utf8))))
        }
        #expect(AccessClaims(try token(shared, "HS512"), policy: both)?.create == true)
        #expect(AccessClaims(try token(shared, "HS384", signedWith: "HS512"), policy: both) == nil)
        #expect(AccessClaims(try token(shared, "HS512"), policy: policy(keys)) == nil)
    }

    @Test("A token that names its key is verified with that key alone, and a key with its own algorithm alone")
    func keyIDs() async throws {
        let (first, second) = (try Self.makeSigners(), try Self.makeSigners())
        func entry(_ signer: Signer, _ extra: JSONObject) -> JSONValue {
            var jwk = signer.jwk
            for member in extra { jwk[member.key] = member.value }
            return .object(jwk)
        }
        var keys = AccessKeys()
        let set: [JSONValue] = [
            entry(first[0], ["kid": "first"]), entry(second[0], ["kid": "second", "use": "sig"]),
            entry(first[4], ["kid": "third", "alg": "PS384"]), entry(first[3], ["kid": "fourth", "use": "enc"]),
            ["kty": "oct", "k": "c2VjcmV0"], ["kty": "of tomorrow"], ["kty": "OKP", "crv": "X25519", "x": "AA"],
            "no key",
        ]
        try await keys.add(jwks: JSONValue.object(["keys": .array(set)]).jsonString)
        func isGood(_ signer: Signer, _ algorithm: String, _ id: String?) throws -> Bool {
            let header = id.map { #","kid":"\#($0)""# } ?? ""
            return AccessClaims(try token(signer, algorithm, header: header), policy: policy(keys)) != nil
        }
        #expect(try isGood(first[0], "ES256", "first"))
        #expect(try isGood(second[0], "ES256", "second"))
        #expect(try isGood(second[0], "ES256", nil))
        #expect(try !isGood(first[0], "ES256", "second"))
        #expect(try !isGood(first[0], "ES256", "unknown"))
        #expect(try isGood(first[4], "PS384", "third"))
        #expect(try !isGood(first[4], "PS256", "third"))
        #expect(try !isGood(first[3], "EdDSA", "fourth"))
    }

    @Test("Issuer and audience must be the server's; a token for somebody else is void even if none is asked for")
    func issuerAndAudience() async throws {
        let signer = try Self.makeSigners()[0]
        var open = AccessPolicy()
        try await open.tokenKeys.add(pem: signer.pem)
        var strict = open
        strict.tokenIssuer = "https://issuer.example"
        strict.tokenAudience = "peer-tree"
        func isGood(_ claims: String, _ policy: AccessPolicy) throws -> Bool {
            AccessClaims(try token(signer, "ES256", claims: claims), policy: policy) != nil
        }
        #expect(try isGood(#"{"iss":"anyone"}"#, open))
        #expect(try !isGood(#"{"aud":"another"}"#, open))
        #expect(try isGood(#"{"iss":"https://issuer.example","aud":"peer-tree"}"#, strict))
        #expect(try isGood(#"{"iss":"https://issuer.example","aud":["x","peer-tree"]}"#, strict))
        #expect(try !isGood(#"{"iss":"https://issuer.example","aud":["x"]}"#, strict))
        #expect(try !isGood(#"{"iss":"https://issuer.example","aud":{"peer-tree":1}}"#, strict))
        #expect(try !isGood(#"{"iss":"https://issuer.example"}"#, strict))
        #expect(try !isGood(#"{"aud":"peer-tree"}"#, strict))
        #expect(try !isGood(#"{"iss":["https://issuer.example"],"aud":"peer-tree"}"#, strict))
    }

    @Test("Keys that cannot be used are refused with a reason")
    func unusableKeys() async throws {
        let small = try _RSA.Signing.PrivateKey(unsafeKeySize: .init(bitCount: 1_024)).publicKey
        let primitives = try small.getKeyPrimitives()
        let weak: JSONObject = [
            "kty": "RSA", "n": Self.base64(primitives.modulus), "e": Self.base64(primitives.publicExponent),
        ]
        for pem in ["", "no key", P256.Signing.PrivateKey().pemRepresentation, small.pemRepresentation] {
            await #expect(throws: AccessKeyError.self) {
                var keys = AccessKeys()
                try await keys.add(pem: pem)
            }
        }
        for set in [
            "", "[]", #"{"keys":7}"#, #"{"keys":[]}"#, #"{"keys":[{"kty":"oct","k":"AA"}]}"#,
            #"{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]}"#,
            JSONValue.object(["keys": [.object(weak)]]).jsonString,
            #"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","d":"AA"}]}"#,
            String(repeating: "[", count: 100_000),
        ] {
            await #expect(throws: AccessKeyError.self, "\(set.prefix(60))") {
                var keys = AccessKeys()
                try await keys.add(jwks: set)
            }
        }
    }
}
