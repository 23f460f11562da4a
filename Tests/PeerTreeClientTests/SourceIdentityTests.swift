import NIOCore
import PeerTreeCore
import Testing

@testable import PeerTreeClient

@Suite("The key of a source", .timeLimit(.minutes(5)))
struct SourceIdentityTests {
    /// By `openssl genpkey -algorithm ed25519` of OpenSSL 3, and `openssl pkey -pubout -outform DER`.
    private static let pem = """
        -----BEGIN PRIVATE KEY-----
        MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g
        -----END PRIVATE KEY-----

        """

    @Test("A key is read as it was written, and as OpenSSL writes it")
    func pem() throws {
        // The first key of RFC 8032, section 7.1.
        let identity = try #require(SourceIdentity(pem: Self.pem))
        #expect(identity.treeID == "ss36d6d5htrh4jz5dawrov7krhtn5mbh")
        #expect(identity.pem == Self.pem)
        let fresh = SourceIdentity()
        #expect(SourceIdentity(pem: fresh.pem)?.treeID == fresh.treeID)
        #expect(fresh.treeID != SourceIdentity().treeID)
        #expect(!"\(fresh)".contains(fresh.pem.split(separator: "\n")[1]))
    }

    @Test("Anything else is no key")
    func malformed() {
        for text in [
            "", "no key", Self.pem.replacing("PRIVATE", with: "PUBLIC"), Self.pem.replacing("MC4C", with: "MC4D"),
            Self.pem.replacing("n9g", with: ""), Self.pem.replacing("n9g", with: "n9gAAAA"),
        ] {
            #expect(SourceIdentity(pem: text) == nil)
        }
    }

    @Test("What a key has signed is told from everything else")
    func signatures() throws {
        let (identity, other) = (SourceIdentity(), SourceIdentity())
        let key = try #require(identity.publicKey)
        let signature = try #require(identity.sign([1, 2, 3]))
        var checker = ProofChecker()
        var isTrue = checker.isTrue([1, 2, 3], signature, of: key)
        #expect(isTrue)
        isTrue = checker.isTrue([1, 2, 4], signature, of: key)
        #expect(!isTrue)
        isTrue = checker.isTrue([1, 2, 3], signature, of: try #require(other.publicKey))
        #expect(!isTrue)
        isTrue = checker.isTrue([1, 2, 3], try #require(other.sign([1, 2, 3])), of: key)
        #expect(!isTrue)
        // No point of the curve.
        isTrue = checker.isTrue([1, 2, 3], signature, of: try #require(SourceKey(Array(repeating: 0xFF, count: 32))))
        #expect(!isTrue)
    }

    @Test("The host's hash is the core's", arguments: [0, 1, 55, 63, 64, 65, 16_050])
    func hashes(count: Int) {
        let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        let prefix: [UInt8] = [0, 1, 2]
        #expect(
            ByteBuffer(bytes: [9] + bytes).slice(from: 1, to: count + 1).hash(after: prefix)
                == SHA256Hasher.hash(prefix + bytes)
        )
    }
}
