// Signed trees: what the source writes is signed before it goes out, and what a viewer takes in is proven before.

extension Peer {
    // MARK: The source

    /// Hands out what this peer has written, once it is signed if it has to be.
    ///
    /// - Parameter chunks: of a signed stream with their payloads as frames.
    mutating func write(_ chunks: [Chunk], at now: Instant) {
        guard writing.signer != nil else { return append(chunks, at: now) }
        sign(writing.signer?.add(chunks, isLast: writing.isFinished, at: now) ?? [])
    }

    private mutating func sign(_ requests: [BlockSigner<Buffer>.Request]) {
        for request in requests { emit(.sign(.block(request.block), statement: request.statement)) }
    }

    /// When a block has to be closed.
    var signingDeadline: Instant { writing.signer?.deadline ?? .distantFuture }

    /// Whether the host is far behind with its signatures.
    var isSigningBehind: Bool { writing.signer?.isBehind ?? false }

    mutating func watchSigner(at now: Instant) {
        sign(writing.signer?.closeIfDue(at: now) ?? [])
    }

    /// The host has signed what it was asked to.
    mutating func signed(_ thing: SignedThing, _ signature: Signature, at now: Instant) {
        switch thing {
        case .block(let number): blockSigned(number, signature, at: now)
        case .head: headSigned(signature, at: now)
        case .pulse(let clock): pulseSigned(clock, signature, at: now)
        case .creation: break
        }
    }

    private mutating func blockSigned(_ block: UInt64, _ signature: Signature, at now: Instant) {
        guard let chunks = writing.signer?.signed(block, signature), !chunks.isEmpty else { return }
        append(chunks, at: now)
        noteCompletion(at: now)
        updateFlow(at: now)
    }

    // MARK: Viewers

    /// Whether only what the source has signed is taken in.
    var needsProof: Bool { stream.gate != nil }

    /// Has a frame proven before it is taken in.
    mutating func prove(_ frame: Buffer, from id: LinkID, at now: Instant) {
        stream.gate?.receive(frame, on: id)
        takeProven(at: now)
    }

    mutating func verified(_ ticket: UInt64, _ isTrue: Bool, at now: Instant) {
        stream.gate?.verified(ticket, isTrue)
        takeProven(at: now)
        let there = links.keys
        stream.gate?.retain { there.contains($0) }
    }

    private mutating func takeProven(at now: Instant) {
        while let output = stream.gate?.nextOutput() {
            switch output {
            case .control(let id, let frame): if let link = links[id] { take(frame, from: link, at: now) }
            case .chunk(let id, let chunk, let streamID): take(chunk, of: streamID, from: id, at: now)
            case .head(let id, let head, let frame): learn(head, frame, from: id, at: now)
            case .pulse(let id, let pulse, let frame): learn(pulse, frame, from: id, at: now)
            case .malformed(let id): noteMalformed(on: id, at: now)
            case .forged(let id): partWithForger(id, at: now)
            case .contradicted: counters.contradictions += 1
            case .dropped: counters.unprovenDrops += 1
            case .verify(let ticket, let statement, let signature):
                emit(.verify(ticket: ticket, statement: statement, signature: signature))
            }
        }
    }

    private mutating func take(_ chunk: Chunk, of streamID: SignedStreamID, from id: LinkID, at now: Instant) {
        guard let link = links[id] else { return }
        // The source's words of another time are true, too.
        guard streamID.high == stream.id, streamID == stream.word.head?.streamID ?? streamID else {
            counters.staleStatements += 1
            return
        }
        do throws(FrameError) {
            try take(chunk, from: link, at: now)
        } catch {
            noteMalformed(on: id, at: now)
        }
    }

    /// What a neighbour passes on it has proven itself: one that brings a false proof made it.
    mutating func partWithForger(_ id: LinkID, at now: Instant) {
        guard links[id] != nil else { return }
        counters.forgeries += 1
        dismiss(id, .protocolError, .forged, at: now)
    }
}
