/// What a TURN client signs its requests with (RFC 8489 section 9.2): known once the server has named its realm.
struct TURNAuthentication {
    let credentials: TURNClient.Credentials
    private(set) var realm: String?
    private(set) var nonce: [UInt8]?
    private(set) var key: [UInt8]?

    init(_ credentials: TURNClient.Credentials) {
        self.credentials = credentials
    }

    func sign(_ message: inout STUNMessage) {
        guard self.key != nil else { return }
        message.username = self.credentials.username
        message.turn.realm = self.realm
        message.turn.nonce = self.nonce
    }

    /// The server wants this nonce, and a realm unless it is the one before. False when it has named neither.
    mutating func challenge(_ message: STUNMessage) -> Bool {
        guard let nonce = message.turn.nonce, let realm = message.turn.realm ?? self.realm else { return false }
        self.nonce = nonce
        self.realm = realm
        self.key = LongTermKey.key(
            username: self.credentials.username,
            realm: realm,
            password: self.credentials.password
        )
        return true
    }
}
