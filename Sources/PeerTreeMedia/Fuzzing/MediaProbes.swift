import NIOCore

/// What fuzzers drive: each takes one input as it could come from outside, checks what must hold for every input, and
/// says whether the input was accepted.
package enum MediaProbe {
    /// A promise that an input broke.
    package struct BrokenPromise: Error, CustomStringConvertible {
        package var description: String
    }

    /// A WebM file. How it is portioned makes no difference, and its frames can be put into a file and taken out again.
    package static func webm(_ input: [UInt8]) throws(BrokenPromise) -> Bool {
        let whole = demux(input, portions: input.count)
        guard demux(input, portions: 7) == whole else {
            throw BrokenPromise(description: "a file in portions is not what it is as a whole")
        }
        guard case .tracks(let description)? = whole.events.first, !description.tracks.isEmpty else { return false }
        let catalog = MediaCatalog(title: description.title, duration: description.duration, tracks: description.tracks)
        guard let text = try? catalog.encoded(), let read = try? MediaCatalog(parsing: text) else {
            throw BrokenPromise(description: "the catalog of a file that was accepted cannot be written and read")
        }
        // A file that starts over may have other tracks then: they would need a file of their own.
        var muxer: WebMMuxer
        do throws(MediaFormatError) {
            muxer = try WebMMuxer(read, layout: .streaming)
        } catch {
            throw BrokenPromise(description: "tracks that were read cannot be written: \(error)")
        }
        var count = 0
        for case .frame(let frame) in whole.events {
            muxer.add(frame)
            count += 1
        }
        muxer.finish()
        var file = ByteBuffer()
        while case .append(let bytes)? = muxer.nextOutput() { file.writeImmutableBuffer(bytes) }
        let again = demux(Array(file.readableBytesView), portions: max(1, file.readableBytes))
        guard again.error == nil else { throw BrokenPromise(description: "a file that was written cannot be read") }
        return count > 0
    }

    /// A message of a media stream: a catalog, a description of content, or a frame. What is accepted is read back the
    /// same, and a recorder takes all of them.
    package static func message(_ input: [UInt8]) throws(BrokenPromise) -> Bool {
        let message = ByteBuffer(bytes: input)
        var recorder = WebMRecorder(layout: .seekable)
        recorder.handle(message, isText: true, retainedKey: MediaKey.catalog)
        for number in 0..<4 as Range<UInt32> {
            let frame = MediaFrame(track: 1, isKeyFrame: true, number: number, timestamp: 0, payload: message)
            recorder.handle(frame.encoded(), isText: false, retainedKey: nil)
        }
        recorder.handle(message, isText: false, retainedKey: nil)
        recorder.finish()
        while recorder.nextOutput() != nil {}
        if let frame = MediaFrame(message: message), MediaFrame(message: frame.encoded()) != frame {
            throw BrokenPromise(description: "a frame changed by being written and read")
        }
        if let content = try? ContentDescription(parsing: message) {
            guard (try? ContentDescription(parsing: content.encoded())) == content else {
                throw BrokenPromise(description: "a description changed by being written and read")
            }
            return true
        }
        guard let catalog = try? MediaCatalog(parsing: message) else { return MediaFrame(message: message) != nil }
        guard !catalog.tracks.isEmpty, let text = try? catalog.encoded() else { return true }
        guard var again = try? MediaCatalog(parsing: text) else {
            throw BrokenPromise(description: "an accepted catalog is refused when it is written again")
        }
        // The time of origin is written only with live media.
        if !catalog.isLive { again.origin = catalog.origin }
        guard again == catalog else {
            throw BrokenPromise(description: "a catalog changed by being written and read")
        }
        return true
    }

    private struct Demuxed: Equatable {
        var events: [WebMEvent] = []
        var error: MediaFormatError?
    }

    private static func demux(_ input: [UInt8], portions: Int) -> Demuxed {
        let options = WebMDemuxer.Options(maximumHeaderBytes: 8192, maximumBlockBytes: 8192, maximumHeldBytes: 4096)
        var demuxer = WebMDemuxer(options: options)
        var result = Demuxed()
        do throws(MediaFormatError) {
            for start in stride(from: 0, to: input.count, by: max(1, portions)) {
                demuxer.feed(ByteBuffer(bytes: input[start..<min(input.count, start + portions)]))
                while let event = try demuxer.nextEvent() { result.events.append(event) }
            }
            demuxer.finish()
            while let event = try demuxer.nextEvent() { result.events.append(event) }
        } catch {
            result.error = error
        }
        return result
    }
}
