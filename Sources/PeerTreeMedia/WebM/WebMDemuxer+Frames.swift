import NIOCore

extension WebMDemuxer {
    /// Timestamps beyond are nonsense: 285 years in microseconds.
    private static let maximumTimestamp: Int64 = 9_000_000_000_000_000

    /// How long frames wait for a track that does not begin, in microseconds of media.
    private static let maximumHold: Int64 = 5_000_000

    mutating func readBlock(_ id: UInt32, in range: Range<Int>) throws(MediaFormatError) {
        let block: WebMBlockFrames?
        if id == EBMLID.simpleBlock {
            block = WebMBlockFrames(simpleBlock: buffer, in: range)
        } else {
            block = WebMBlockFrames(blockGroup: buffer, in: range)
        }
        guard let block else { throw malformed("a malformed block") }
        guard let clusterTimestamp else { throw malformed("a block comes before the timestamp of its cluster") }
        guard let index = tracks.firstIndex(where: { $0.entry.number == block.track }) else { return }
        var timestamp = try start(of: block, cluster: clusterTimestamp, delay: tracks[index].entry.codecDelay)
        for (position, payload) in block.payloads.enumerated() {
            let isLast = position == block.payloads.count - 1
            let duration = duration(of: payload, in: block, track: tracks[index], isLast: isLast)
            let track = tracks[index]
            let frame = MediaFrame(
                track: track.media.id,
                isKeyFrame: block.isKeyFrame || track.codec.hasOnlyKeyFrames,
                number: track.count,
                timestamp: timestamp,
                duration: duration,
                payload: payload
            )
            let length = duration > 0 ? Int64(duration) : timestamp - (track.lastTimestamp ?? timestamp)
            tracks[index].count &+= 1
            tracks[index].lastTimestamp = timestamp
            end = max(end, timestamp + length)
            timestamp += Int64(duration)
            take(frame, of: index)
        }
    }

    /// The timestamp of a block's first frame, in microseconds.
    private func start(of block: WebMBlockFrames, cluster: UInt64, delay: UInt64) throws(MediaFormatError) -> Int64 {
        let ticks = Int64(exactly: cluster)?.addingReportingOverflow(Int64(block.relativeTimestamp))
        guard let ticks, !ticks.overflow, let scale = Int64(exactly: timestampScale) else {
            throw malformed("a timestamp out of range")
        }
        let (nanoseconds, overflow) = ticks.partialValue.multipliedReportingOverflow(by: scale)
        let limit = Self.maximumTimestamp
        guard !overflow, abs(nanoseconds / 1000) < limit, delay < 10_000_000_000 else {
            throw malformed("a timestamp out of range")
        }
        let timestamp = segmentStart + nanoseconds.roundedToThousands - Int64(delay).roundedToThousands
        guard abs(timestamp) < limit else { throw malformed("a timestamp out of range") }
        return timestamp
    }

    /// How long a frame lasts, in microseconds; 0 if that is not known.
    private func duration(of payload: ByteBuffer, in block: WebMBlockFrames, track: Track, isLast: Bool) -> UInt32 {
        let whole = wholeDuration(of: payload, in: block, track: track)
        guard isLast, block.discardPadding > 0, whole > 0 else { return whole }
        let discarded = block.discardPadding.roundedToThousands
        return UInt32(max(1, Int64(whole) - discarded))
    }

    private func wholeDuration(of payload: ByteBuffer, in block: WebMBlockFrames, track: Track) -> UInt32 {
        switch (track.codec, track.media.parameters) {
        case (.opus, _): if let duration = OpusPacket.duration(payload) { return duration }
        case (.aac, .audio):
            // 1024 samples at the rate of the core decoder, which a doubled output rate leaves as it is.
            let rate = track.entry.samplingFrequency
            if rate >= 1000, rate < 1e6 { return UInt32((1024e6 / rate).rounded()) }
        default: break
        }
        if let ticks = block.duration, ticks < 1 << 32 {
            let (nanoseconds, overflow) = ticks.multipliedReportingOverflow(by: timestampScale)
            if !overflow { return UInt32(clamping: nanoseconds / UInt64(block.payloads.count) / 1000) }
        }
        return track.entry.defaultDuration.map { UInt32(clamping: ($0 &+ 500) / 1000) } ?? 0
    }
}

// MARK: - Giving out

extension WebMDemuxer {
    /// Gives a frame out, or holds it back until every codec is known.
    private mutating func take(_ frame: MediaFrame, of index: Int) {
        guard tracks.contains(where: { $0.media.codec.isEmpty }) else {
            ready.insert(.frame(frame), at: 0)
            return
        }
        held.append(frame)
        heldBytes += frame.payload.readableBytes + MediaFrame.headerBytes
        if tracks[index].media.codec.isEmpty, let key = VP9KeyFrame(frame.payload),
            case .video(let video) = tracks[index].media.parameters
        {
            tracks[index].media.codec = key.codec(framerate: video.framerate)
        }
        let isLong = frame.timestamp - held[0].timestamp > Self.maximumHold
        let isKnown = !tracks.contains { $0.media.codec.isEmpty }
        if isKnown || isLong || heldBytes > options.maximumHeldBytes { release() }
    }

    /// Gives out what was held back. A codec that is still unknown is taken to be the plainest.
    mutating func release() {
        guard !held.isEmpty else { return }
        for index in tracks.indices where tracks[index].media.codec.isEmpty {
            tracks[index].media.codec = VP9KeyFrame.codec(profile: 0, level: 10, bitDepth: 8)
        }
        announce()
        ready.insert(contentsOf: held.reversed().map { .frame($0) }, at: 0)
        held = []
        heldBytes = 0
    }

    mutating func announce() {
        let length = duration.flatMap { $0 > 0 ? $0 * Double(timestampScale) / 1000 : nil }
        let description = WebMDescription(
            title: title,
            duration: length.flatMap { $0 < Double(Self.maximumTimestamp) ? Int64($0.rounded()) : nil },
            tracks: tracks.map { $0.media },
            unusable: unusable,
            hasUnusableVideo: hasUnusableVideo
        )
        ready.insert(.tracks(description), at: 0)
    }
}

extension Int64 {
    /// Nanoseconds as microseconds, rounded to the nearest.
    fileprivate var roundedToThousands: Int64 {
        let (quotient, remainder) = quotientAndRemainder(dividingBy: 1000)
        return remainder >= 500 ? quotient + 1 : remainder <= -500 ? quotient - 1 : quotient
    }
}
