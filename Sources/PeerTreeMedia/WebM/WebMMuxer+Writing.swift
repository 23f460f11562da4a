import NIOCore
import StateMachine

extension WebMMuxer {
    /// What both names of the program in a file are.
    private static let application = "peer-tree"
    /// SeekHead with three entries needs fewer bytes; the rest is left void.
    private static let seekHeadBytes = 96
    private static let durationBytes = 11

    mutating func append(_ bytes: ByteBuffer) {
        written += bytes.readableBytes
        outputs.append(.append(bytes))
    }

    // MARK: The header

    mutating func writeHeader() {
        var header = ByteBuffer()
        let isWebM = tracks.allSatisfy { $0.codec.isWebM }
        header.writeEBML(EBMLID.ebml) { element in
            element.writeEBML(EBMLID.ebmlVersion, unsigned: 1)
            element.writeEBML(EBMLID.ebmlReadVersion, unsigned: 1)
            element.writeEBML(EBMLID.ebmlMaxIDLength, unsigned: 4)
            element.writeEBML(EBMLID.ebmlMaxSizeLength, unsigned: 8)
            element.writeEBML(EBMLID.docType, text: isWebM ? "webm" : "matroska")
            element.writeEBML(EBMLID.docTypeVersion, unsigned: 4)
            element.writeEBML(EBMLID.docTypeReadVersion, unsigned: 2)
        }
        header.writeEBMLID(EBMLID.segment)
        places.segmentSize = header.writerIndex
        header.writeEBMLUnknownSize()
        places.segment = header.writerIndex
        if layout == .seekable {
            places.seekHead = header.writerIndex
            header.writeEBMLVoid(Self.seekHeadBytes)
        }
        writeInfo(to: &header)
        places.tracks = header.writerIndex
        header.writeEBML(EBMLID.tracks) { element in
            for track in tracks { track.writeEntry(to: &element) }
        }
        append(header)
    }

    private mutating func writeInfo(to header: inout ByteBuffer) {
        places.info = header.writerIndex
        var info = ByteBuffer()
        info.writeEBML(EBMLID.timestampScale, unsigned: 1_000_000)
        if let title { info.writeEBML(EBMLID.title, text: title) }
        info.writeEBML(EBMLID.muxingApp, text: Self.application)
        info.writeEBML(EBMLID.writingApp, text: Self.application)
        if layout == .seekable { info.writeEBMLVoid(Self.durationBytes) }
        header.writeEBML(EBMLID.info, bytes: info)
        places.duration = header.writerIndex - Self.durationBytes
    }

    // MARK: Blocks

    mutating func write(_ frame: MediaFrame, of index: Int) {
        guard let origin else { return }
        let time = frame.timestamp + tracks[index].delay - origin
        // Older than where the file begins.
        guard time >= 0 else { return }
        let milliseconds = tracks[index].milliseconds(at: time)
        noteEnd(of: frame, at: time, track: index)
        var bytes = ByteBuffer()
        if needsCluster(at: milliseconds, for: frame) {
            closeCluster()
            openCluster(at: milliseconds, isKeyFrame: frame.track == primary && frame.isKeyFrame, in: &bytes)
        }
        guard let cluster, let relative = Int16(exactly: milliseconds - cluster.timestamp) else { return }
        let payload = tracks[index].stored(frame.payload)
        if let discarded = discardPadding(of: frame, track: tracks[index]) {
            bytes.writeEBML(EBMLID.blockGroup) { group in
                group.writeBlock(EBMLID.block, track: frame.track, relative, flags: 0, payload)
                group.writeEBML(EBMLID.discardPadding, signed: discarded)
            }
        } else {
            let flags: UInt8 = frame.isKeyFrame ? 0x80 : 0
            bytes.writeBlock(EBMLID.simpleBlock, track: frame.track, relative, flags: flags, payload)
        }
        append(bytes)
    }

    private mutating func noteEnd(of frame: MediaFrame, at time: Int64, track index: Int) {
        let sinceLast = tracks[index].lastTime.map { max(0, time - $0) } ?? 0
        tracks[index].lastTime = time
        end = max(end, time + (frame.duration > 0 ? Int64(frame.duration) : sinceLast))
    }

    /// Nanoseconds of a frame's end that are not to be played: an Opus frame of a file may be shorter than its packet.
    /// Of live frames the duration is a hint only.
    private func discardPadding(of frame: MediaFrame, track: WebMTrackWriter) -> Int64? {
        guard track.codec == .opus, !isLive, frame.duration > 0, let whole = OpusPacket.duration(frame.payload),
            whole > frame.duration
        else { return nil }
        let samples = (Int(whole - frame.duration) * OpusHead.sampleRate + 500_000) / 1_000_000
        return samples > 0 ? Int64(OpusHead.nanoseconds(samples: samples)) : nil
    }

    // MARK: Clusters

    private func needsCluster(at time: Int64, for frame: MediaFrame) -> Bool {
        guard let cluster else { return true }
        let relative = time - cluster.timestamp
        if relative * 1000 >= options.maximumClusterDuration || relative < Int64(Int16.min) { return true }
        // Without video every frame is a key frame: then time alone decides.
        return frame.track == primary && frame.isKeyFrame && tracks.contains { $0.codec.isVideo }
    }

    private mutating func openCluster(at time: Int64, isKeyFrame: Bool, in bytes: inout ByteBuffer) {
        if isKeyFrame { noteCue(Cue(time: time, position: written - places.segment)) }
        bytes.writeEBMLID(EBMLID.cluster)
        cluster = Cluster(timestamp: time, size: written + bytes.readableBytes)
        bytes.writeEBMLUnknownSize()
        bytes.writeEBML(EBMLID.timestamp, unsigned: UInt64(time))
    }

    private mutating func closeCluster() {
        guard let cluster, layout == .seekable else { return }
        var size = ByteBuffer()
        size.writeEBMLSize(written - cluster.size - 8, length: 8)
        outputs.append(.overwrite(offset: cluster.size, size))
        self.cluster = nil
    }

    private mutating func noteCue(_ cue: Cue) {
        guard layout == .seekable else { return }
        if cues.count >= options.maximumCues {
            cues = cues.enumerated().filter { $0.offset.isMultiple(of: 2) }.map { $0.element }
        }
        cues.append(cue)
    }

    // MARK: The end

    mutating func close() {
        guard layout == .seekable else { return }
        closeCluster()
        let index = written
        if !cues.isEmpty { writeCues() }
        var size = ByteBuffer()
        size.writeEBMLSize(written - places.segment, length: 8)
        var duration = ByteBuffer()
        duration.writeEBML(EBMLID.duration, float: Double(end) / 1000)
        outputs.append(.overwrite(offset: places.duration, duration))
        outputs.append(.overwrite(offset: places.seekHead, seekHead(cues: index)))
        outputs.append(.overwrite(offset: places.segmentSize, size))
    }

    private mutating func writeCues() {
        var bytes = ByteBuffer()
        bytes.writeEBML(EBMLID.cues) { element in
            for cue in cues {
                element.writeEBML(EBMLID.cuePoint) { point in
                    point.writeEBML(EBMLID.cueTime, unsigned: UInt64(cue.time))
                    point.writeEBML(EBMLID.cueTrackPositions) { positions in
                        positions.writeEBML(EBMLID.cueTrack, unsigned: UInt64(primary))
                        positions.writeEBML(EBMLID.cueClusterPosition, unsigned: UInt64(cue.position))
                    }
                }
            }
        }
        append(bytes)
    }

    private func seekHead(cues index: Int) -> ByteBuffer {
        var entries = [(EBMLID.info, places.info), (EBMLID.tracks, places.tracks)]
        if !cues.isEmpty { entries.append((EBMLID.cues, index)) }
        var bytes = ByteBuffer()
        bytes.writeEBML(EBMLID.seekHead) { element in
            for (id, offset) in entries {
                element.writeEBML(EBMLID.seek) { seek in
                    var name = ByteBuffer()
                    name.writeEBMLID(id)
                    seek.writeEBML(EBMLID.seekID, bytes: name)
                    seek.writeEBML(EBMLID.seekPosition, unsigned: UInt64(offset - places.segment))
                }
            }
        }
        bytes.writeEBMLVoid(Self.seekHeadBytes - bytes.readableBytes)
        return bytes
    }
}

extension ByteBuffer {
    /// A SimpleBlock or Block without lacing: track number, relative timestamp, flags, the frame.
    fileprivate mutating func writeBlock(
        _ id: UInt32,
        track: UInt8,
        _ relative: Int16,
        flags: UInt8,
        _ payload: ByteBuffer
    ) {
        writeEBMLID(id)
        writeEBMLSize((track < 0x7F ? 1 : 2) + 3 + payload.readableBytes)
        writeEBMLSize(Int(track))
        writeInteger(relative)
        writeInteger(flags)
        writeImmutableBuffer(payload)
    }
}
