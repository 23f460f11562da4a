public import NIOCore

/// The way to an established association (RFC 9260 section 5).
struct Handshake {
    /// T1-init and T1-cookie.
    var deadline: NIODeadline?
    var timeout: TimeAmount
    var timeouts = 0
    /// INIT or COOKIE ECHO is to be sent.
    var isDue = false
    var cookie: [UInt8] = []
    var sentAt: NIODeadline?
    /// Of INIT and its answer.
    var roundTrip: TimeAmount?
    /// COOKIE ACK is to be sent.
    var isCookieAcknowledgementDue = false

    init(_ configuration: AssociationConfiguration) {
        self.timeout = configuration.initialTimeout
    }

    /// The round trip of what was just answered, if it was sent but once.
    func sample(at now: NIODeadline) -> TimeAmount? {
        guard self.timeouts == 0, let sentAt else { return nil }
        return now - sentAt
    }

    /// A step is done.
    mutating func proceed(_ configuration: AssociationConfiguration) {
        self.deadline = nil
        self.timeouts = 0
        self.timeout = configuration.initialTimeout
        self.isDue = false
        self.sentAt = nil
    }
}

extension Association {
    /// Begins the association (section 5.1).
    public func connect(at now: NIODeadline) {
        self.now = now
        guard self.state == .closed else { return }
        self.state = .cookieWait
        self.handshake.isDue = true
    }

    /// A tag and a first TSN that nobody can guess.
    func freshProfile() -> PeerProfile {
        var profile = self.local
        repeat { profile.tag = self.random.next() } while profile.tag == 0
        profile.initialTSN = self.configuration.firstNumbers?.transmission ?? self.random.next()
        profile.capabilities = [.partialReliability, .streamReset]
        if self.configuration.usesInterleaving { profile.capabilities.insert(.interleaving) }
        if self.configuration.isIntegrityProtected { profile.capabilities.insert(.zeroChecksum) }
        profile.acknowledgements = AcknowledgementWish(
            packets: UInt16(clamping: max(2, self.configuration.packetsPerAcknowledgement)),
            delay: UInt16(clamping: self.configuration.acknowledgementDelay.nanoseconds / 1_000_000)
        )
        return profile
    }

    // MARK: - Answers

    /// Sections 5.1, 5.2.1 and 5.2.2: every INIT is answered, and no answer changes anything here.
    func handle(initiation chunk: Chunk) {
        let initiation: Initiation
        do throws(Initiation.Flaw) {
            initiation = try Initiation(chunk)
        } catch {
            guard case .invalidValue(let reason) = error, chunk.bytes.count >= 8 else { return }
            return self.replyAbort(tag: chunk.bytes.number(at: 4), cause: .protocolViolation, reason)
        }
        var cookie = StateCookie(
            local: self.local,
            remote: initiation.profile,
            localTieTag: 0,
            remoteTieTag: 0,
            at: self.now
        )
        switch self.state {
        case .closed:
            // Nothing is remembered, so nothing can be used up: the tag is this INIT's alone.
            cookie.local = self.freshProfile()
        case .cookieWait:
            break
        case .cookieEchoed:
            (cookie.localTieTag, cookie.remoteTieTag) = (self.local.tag, self.remote?.tag ?? 0)
        case .established, .shutdownPending, .shutdownSent, .shutdownReceived:
            (cookie.localTieTag, cookie.remoteTieTag) = (self.local.tag, self.remote?.tag ?? 0)
            cookie.local = self.freshProfile()
        case .shutdownAckSent:
            // Section 9.2.
            return self.teardown.isDue = true
        case .ended:
            return
        }
        cookie.local = cookie.local.understood(by: initiation.profile)
        let sealed = cookie.sealed(self.configuration.authenticate)
        self.reply(tag: initiation.profile.tag) { writer in
            Initiation.write(
                cookie.local,
                type: ChunkType.initiationAcknowledgement,
                cookie: sealed,
                unrecognized: initiation.unrecognized,
                into: &writer
            )
        }
    }

    func handle(initiationAcknowledgement chunk: Chunk) {
        guard self.state == .cookieWait else { return }
        let initiation: Initiation
        do throws(Initiation.Flaw) {
            initiation = try Initiation(chunk)
        } catch {
            guard case .invalidValue(let reason) = error else { return }
            return self.end(.protocolViolation(reason), abort: nil)
        }
        let room = self.configuration.maximumPacketSize - CommonHeader.length - Chunk.headerLength
        guard !initiation.cookie.isEmpty, initiation.cookie.count <= room else {
            return self.fail("the INIT ACK has no cookie, or one of \(initiation.cookie.count) bytes")
        }
        self.handshake.roundTrip = self.handshake.sample(at: self.now)
        self.handshake.proceed(self.configuration)
        self.handshake.cookie = initiation.cookie
        self.handshake.isDue = true
        self.remote = initiation.profile
        self.state = .cookieEchoed
    }

    /// Section 5.2.4. False when the rest of the packet is not for this association.
    func handle(cookieEcho chunk: Chunk, verificationTag: UInt32) -> Bool {
        guard self.state != .ended else { return false }
        let cookie: StateCookie
        do throws(StateCookie.Flaw) {
            cookie = try StateCookie(
                chunk.value,
                lifetime: self.configuration.cookieLifetime,
                at: self.now,
                self.configuration.authenticate
            )
        } catch {
            if case .stale(let excess, let tag) = error { self.replyStaleCookie(tag: tag, excess: excess) }
            return false
        }
        guard cookie.local.tag == verificationTag else { return false }
        guard self.state != .closed else {
            self.establish(local: cookie.local, remote: cookie.remote)
            self.handshake.isCookieAcknowledgementDue = true
            return true
        }
        let isLocal = cookie.local.tag == self.local.tag
        let isRemote = cookie.remote.tag == self.remote?.tag
        switch (isLocal, isRemote) {
        case (true, _) where self.state == .cookieWait || self.state == .cookieEchoed:
            // Actions B and D: both sides began at once, or the answer to the own cookie was slower.
            self.establish(local: self.local, remote: cookie.remote)
            self.handshake.isCookieAcknowledgementDue = true
            return true
        case (true, true):
            // Action D: the COOKIE ACK was lost.
            self.handshake.isCookieAcknowledgementDue = true
            return true
        case (false, false) where cookie.localTieTag == self.local.tag && cookie.remoteTieTag == self.remote?.tag:
            // Action A. What was on its way is lost, and channels cannot go on over that.
            self.end(.restarted, abort: nil)
            return false
        default:
            // Action C, and what matches none.
            return false
        }
    }

    func handleCookieAcknowledgement() {
        guard self.state == .cookieEchoed, let remote = self.remote else { return }
        self.establish(local: self.local, remote: remote)
    }

    private func establish(local: PeerProfile, remote: PeerProfile) {
        let roundTrip = self.handshake.sample(at: self.now) ?? self.handshake.roundTrip
        self.handshake.proceed(self.configuration)
        self.handshake.cookie = []
        self.local = local
        self.remote = remote
        self.state = .established
        let streams = OutgoingStreams(firstNumber: self.configuration.firstNumbers?.message ?? 0)
        var sender = DataSender(self.configuration, local: local, remote: remote, streams: streams)
        if let roundTrip { sender.estimator.measured(roundTrip, at: self.now) }
        for message in self.early where Int(message.stream) < self.outgoingStreams { sender.enqueue(message) }
        self.early = []
        self.sender = sender
        self.receiver = DataReceiver(self.configuration, local: local, remote: remote)
        self.reconfiguration = StreamReconfiguration(local: local, remote: remote)
        self.heartbeat.schedule(self.configuration, at: self.now)
        self.notify(
            .connected(
                outgoingStreams: self.outgoingStreams,
                incomingStreams: Int(min(local.incomingStreams, remote.outgoingStreams))
            )
        )
    }

    /// The cookie was too old for the other side (section 5.2.6): once more from the beginning.
    func handleStaleCookie() {
        guard self.state == .cookieEchoed else { return }
        self.handshake.proceed(self.configuration)
        self.handshake.cookie = []
        self.remote = nil
        self.state = .cookieWait
        self.handshake.isDue = true
    }

    // MARK: - Sending

    /// Writes INIT or COOKIE ECHO if it is due. Their packets carry a checksum whatever was agreed on (RFC 9653 section 5.2).
    func writeHandshake(into writer: inout PacketWriter) {
        guard self.handshake.isDue else { return }
        self.handshake.isDue = false
        if self.handshake.timeouts == 0 { self.handshake.sentAt = self.now }
        self.handshake.deadline = self.now + self.handshake.timeout
        if self.state == .cookieWait {
            writer.write(self.header(tag: 0))
            // Some stacks take no notice of an INIT with a parameter that they do not know, whatever RFC 9260 section 3.2.1
            // says. Every other INIT has none.
            let profile = self.handshake.timeouts % 2 == 0 ? self.local : self.local.plain
            Initiation.write(profile, type: ChunkType.initiation, into: &writer)
        } else {
            writer.write(self.header(tag: self.remote?.tag ?? 0))
            writer.beginChunk(ChunkType.cookieEcho)
            writer.write(self.handshake.cookie)
            writer.endChunk()
        }
        writer.seal(self.configuration.checksum)
    }

    func handleHandshakeTimeout() {
        guard let deadline = self.handshake.deadline, deadline <= self.now else { return }
        self.handshake.deadline = nil
        self.handshake.timeouts += 1
        if let limit = self.configuration.maximumTimeouts, self.handshake.timeouts > limit {
            return self.end(.timedOut, abort: nil)
        }
        self.handshake.timeout = min(self.handshake.timeout * 2, self.configuration.maximumTimeout)
        self.handshake.isDue = true
    }
}
