import Crypto
import PeerTreeSignalling
import Testing

@testable import PeerTreeServer

@Suite("What tokens allow", .timeLimit(.minutes(5)))
struct AccessPolicyTests {
    /// A token made here, with none of the code under test.
    private func token(_ claims: String, header: String = #"{"alg":"HS256","typ":"JWT"}"#, secret: String) -> String {
        let signed = Base64URL.encode(Array(header.utf8)) + "." + Base64URL.encode(Array(claims.utf8))
        let code = HMAC<SHA256>.authenticationCode(
            for: Array(signed.utf8),
            using: SymmetricKey(data: Array(secret.utf8))
        )
        return signed + "." + Base64URL.encode(Array(code))
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

    @Test("Claims say what may be done, in which tree, and from when until when")
    func claims() {
        var policy = AccessPolicy()
        policy.tokenSecret = "the secret"
        #expect(!policy.access(with: nil).mayCreate)
        #expect(!policy.access(with: nil).mayJoin)
        #expect(!policy.access(with: "nonsense").mayCreate)
        let creator = policy.access(with: token(#"{"create":true,"exp":100}"#, secret: "the secret"))
        #expect(creator.mayCreate)
        #expect(!creator.mayJoin)
        #expect(creator.expiry == 100)
        let joiner = policy.access(with: token(#"{"join":true,"tree":"T","nbf":200}"#, secret: "the secret"))
        #expect(!joiner.mayCreate)
        #expect(joiner.mayJoin)
        #expect(joiner.tree == "T")
        #expect(joiner.beginning == 200)
    }

    @Test("A shared secret does for a token: one to create, which also joins, and one to join")
    func sharedSecrets() {
        var policy = AccessPolicy()
        policy.createSecret = "may create"
        #expect(policy.access(with: nil).mayJoin, "where only creating needs a token, everybody may join")
        #expect(!policy.access(with: nil).mayCreate)
        policy.joinSecret = "may join"
        #expect(!policy.access(with: nil).mayJoin)
        #expect(policy.access(with: "may create").mayCreate)
        #expect(policy.access(with: "may create").mayJoin)
        #expect(!policy.access(with: "may join").mayCreate)
        #expect(policy.access(with: "may join").mayJoin)
    }

    @Test("Passwords at TURN servers are what coturn computes from the shared secret")
    func turnPassword() {
        // printf 1700003600:S | openssl dgst -sha1 -hmac north -binary | base64
        #expect(TURNPassword.make(secret: "north", username: "1700003600:S") == "nayBCYFAwKo8ljegXW68+bBBS5o=")
    }
}
