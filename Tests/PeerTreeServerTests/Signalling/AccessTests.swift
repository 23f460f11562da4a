import Crypto
import JSON
import PeerTreeCore
import Testing

@testable import PeerTreeServer

@Suite("Who may create and who may join", .timeLimit(.minutes(5)))
struct AccessTests {
    private let create: JSONValue = ["createNew": true, "peerTree": ["v": 2]]

    /// A token made here, with none of the code under test.
    private func token(_ claims: String, header: String = #"{"alg":"HS256","typ":"JWT"}"#, secret: String) -> String {
        let signed = Base64URL.encode(Array(header.utf8)) + "." + Base64URL.encode(Array(claims.utf8))
        let code = HMAC<SHA256>.authenticationCode(
            for: Array(signed.utf8),
            using: SymmetricKey(data: Array(secret.utf8))
        )
        return signed + "." + Base64URL.encode(Array(code))
    }

    private func discover(
        _ request: JSONValue,
        token: String?,
        _ harness: inout SignallingHarness
    ) -> JSONValue? {
        let id = "client \(harness.service.clientCount)"
        harness.handle(.connected(id: id, token: token))
        return harness.emit(id, "simple-signal[discover]", request).last?.payload["discoveryData"]
    }

    @Test("A signed token is read, and is void with any character changed")
    func knownToken() throws {
        var policy = AccessPolicy()
        policy.tokenSecret = "a secret of the test"
        let good = token(#"{"create":true,"exp":1300819380}"#, secret: "a secret of the test")
        let claims = try #require(AccessClaims(good, policy: policy))
        #expect(claims.create)
        #expect(!claims.join)
        #expect(claims.expiry == 1_300_819_380)
        var characters = Array(good)
        for position in characters.indices {
            let original = characters[position]
            characters[position] = original == "A" ? "B" : "A"
            #expect(AccessClaims(String(characters), policy: policy) == nil)
            characters[position] = original
        }
        policy.tokenSecret = "another secret"
        #expect(AccessClaims(good, policy: policy) == nil)
    }

    @Test(
        "A token without a signature, of another algorithm, or with a claim of a wrong type is void",
        arguments: [
            (#"{"alg":"none"}"#, #"{"create":true}"#), (#"{"alg":"HS512"}"#, #"{"create":true}"#),
            (#"{"alg":"HS256","crit":["b64"]}"#, #"{"create":true}"#), (#"{"alg":"HS256"}"#, #"{"create":1}"#),
            (#"{"alg":"HS256"}"#, #"{"create":true,"exp":"never"}"#),
            (#"{"alg":"HS256"}"#, #"{"create":true,"tree":7}"#),
            (#"{"alg":"HS256"}"#, "[]"), ("7", "{}"),
        ]
    )
    func voidTokens(header: String, claims: String) {
        var policy = AccessPolicy()
        policy.tokenSecret = "secret"
        #expect(AccessClaims(token(claims, header: header, secret: "secret"), policy: policy) == nil)
        let unsigned = Base64URL.encode(Array(header.utf8)) + "." + Base64URL.encode(Array(claims.utf8)) + "."
        #expect(AccessClaims(unsigned, policy: policy) == nil)
    }

    @Test("Claims say who may create, who may join which tree, and how long")
    func claims() throws {
        var harness = SignallingHarness { $0.access.tokenSecret = "the secret" }
        #expect(discover(create, token: nil, &harness)?["code"] == "forbidden")
        #expect(discover(create, token: "nonsense", &harness)?["code"] == "forbidden")
        let joiner = token(#"{"join":true}"#, secret: "the secret")
        #expect(discover(create, token: joiner, &harness)?["code"] == "forbidden")
        let creator = token(#"{"create":true,"exp":100}"#, secret: "the secret")
        let tree = try #require(discover(create, token: creator, &harness)?["treeID"]?.stringValue)
        let join: JSONValue = ["treeID": .string(tree), "peerTree": ["v": 2]]
        #expect(discover(join, token: nil, &harness)?["code"] == "forbidden")
        #expect(discover(join, token: creator, &harness)?["code"] == "forbidden")
        #expect(discover(join, token: joiner, &harness)?["treeID"] != nil)
        let bound = token(#"{"join":true,"tree":"\#(tree)"}"#, secret: "the secret")
        #expect(discover(join, token: bound, &harness)?["treeID"] != nil)
        let other = token(#"{"join":true,"tree":"another"}"#, secret: "the secret")
        #expect(discover(join, token: other, &harness)?["code"] == "forbidden")
        harness.now = harness.now + .seconds(100)
        #expect(discover(create, token: creator, &harness)?["code"] == "forbidden")
        let early = token(#"{"create":true,"nbf":200}"#, secret: "the secret")
        #expect(discover(create, token: early, &harness)?["code"] == "forbidden")
        #expect(harness.service.refusals["forbidden"] == 8)
    }

    @Test("A shared secret does for a token: one to create, which also joins, and one to join")
    func sharedSecrets() throws {
        var harness = SignallingHarness {
            $0.access.createSecret = "may create"
            $0.access.joinSecret = "may join"
        }
        #expect(discover(create, token: "may join", &harness)?["code"] == "forbidden")
        let tree = try #require(discover(create, token: "may create", &harness)?["treeID"]?.stringValue)
        let join: JSONValue = ["treeID": .string(tree), "peerTree": ["v": 2]]
        #expect(discover(join, token: nil, &harness)?["code"] == "forbidden")
        #expect(discover(join, token: "may join", &harness)?["treeID"] != nil)
        #expect(discover(join, token: "may create", &harness)?["treeID"] != nil)
    }

    @Test("Where only creating needs a token, everybody may join; a legacy client is refused in the original's words")
    func openViewing() throws {
        var harness = SignallingHarness { $0.access.createSecret = "may create" }
        let tree = try #require(discover(create, token: "may create", &harness)?["treeID"]?.stringValue)
        #expect(discover(["treeID": .string(tree)], token: nil, &harness)?["treeID"] != nil)
        let refusal = try #require(discover(["createNew": true], token: nil, &harness))
        #expect(refusal["code"] == nil)
        #expect(refusal["err"]?.stringValue?.contains("token") == true)
    }
}
