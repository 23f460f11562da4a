import ArgumentParser
import PeerTreeCore
import PeerTreeSignalling
import WebRTC

/// Which STUN and TURN servers a signalling server tells its peers to use.
struct ICEServerFlags: SettingFlags {
    @Option(help: "STUN servers for the peers, such as stun:stun.example.org, with commas between.")
    var stun: String?

    @Option(help: "TURN servers for the peers, such as turn:turn.example.org?transport=tcp, with commas between.")
    var turn: String?

    @Option(
        help: """
            The secret shared with the TURN servers (coturn's static-auth-secret). Better given in the environment, as \
            PEER_TREE_TURN_SECRET, where no list of processes shows it.
            """
    )
    var turnSecret: String?

    @Option(help: "Seconds for which a peer's credentials at the TURN servers are good (default: 86400).")
    var turnLifetime: String?
}

extension ICEServerOptions {
    /// Reads the settings `stun`, `turn`, `turn-secret` and `turn-lifetime`.
    ///
    /// - Throws: an error that names the setting, the value and what is allowed.
    init(_ reader: inout SettingsReader) throws {
        self.init()
        stunURLs = try reader.list("stun", "STUN servers such as stun:stun.example.org", default: []) {
            (try? ICEServerURL($0))?.isRelay == false
        }
        turnURLs = try reader.list("turn", "TURN servers such as turn:turn.example.org?transport=tcp", default: []) {
            (try? ICEServerURL($0))?.isRelay == true
        }
        turnSecret = try reader.text("turn-secret", isSecret: true)
        let lifetime = try reader.seconds("turn-lifetime", default: 86_400, in: 60...31_536_000)
        credentialLifetime = .seconds(UInt64(lifetime))
        if !turnURLs.isEmpty, turnSecret == nil {
            throw ValidationError("--turn needs --turn-secret, or PEER_TREE_TURN_SECRET in the environment.")
        }
    }
}
