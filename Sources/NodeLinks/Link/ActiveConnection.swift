import NIOCore

/// The connection that counts.
struct ActiveConnection {
    let id: ConnectionID
    /// Both ends agree on the session: frames may go.
    var isAttached = false
    var heardAt: NIODeadline
    var wroteAt: NIODeadline
    /// Bytes that may be written until the socket has taken what was.
    var room: Int
    /// What is not read is not heard: silence does not count.
    private var isDeaf: Bool

    init(_ id: ConnectionID, room: Int, at now: NIODeadline, isDeaf: Bool) {
        self.id = id
        self.room = room
        heardAt = now
        wroteAt = now
        self.isDeaf = isDeaf
    }

    mutating func setDeaf(_ isDeaf: Bool, at now: NIODeadline) {
        if self.isDeaf, !isDeaf { heardAt = max(heardAt, now) }
        self.isDeaf = isDeaf
    }

    /// When it is to be given up.
    func silentAt(_ options: LinkOptions) -> NIODeadline? {
        // Until both agree, it is read whatever the user does.
        isDeaf && isAttached ? nil : heardAt + options.silenceLimit
    }
}
