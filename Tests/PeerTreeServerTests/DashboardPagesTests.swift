import HTTPTypes
import Testing

@testable import PeerTreeServer

@Suite(.timeLimit(.minutes(5)))
struct DashboardPagesTests {
    @Test func theDashboardOpensWithItsSecretOnly() {
        let access = DashboardAccess.bearer(of: "sixteen letters.")
        #expect(access.verdict([:]) == .unauthorized)
        #expect(access.verdict([.authorization: "Bearer sixteen letters?"]) == .unauthorized)
        #expect(access.verdict([.authorization: "Bearer sixteen letters."]) == .allowed)
        #expect(DashboardAccess.nobody.verdict([:]) == .off)
    }

    @Test func aForgedHostDoesNotWidenThePolicy() {
        #expect(PageHeaders.policy(authority: "example.org:3000").contains("ws://example.org:3000 wss://"))
        for forged in ["a; script-src *", "a *", "", "a'b", String(repeating: "a", count: 300)] where !forged.isEmpty {
            #expect(PageHeaders.policy(authority: forged).contains("connect-src 'self';"))
        }
    }
}
