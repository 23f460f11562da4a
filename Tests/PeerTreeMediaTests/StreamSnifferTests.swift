import NIOCore
import Testing

@testable import PeerTreeMedia

@Suite(.timeLimit(.minutes(5))) struct StreamSnifferTests {
    private func type(_ bytes: [UInt8]) -> String? {
        StreamSniffer.guess(ByteBuffer(bytes: bytes), isComplete: true)?.contentType
    }

    @Test("a WebM stream is known from its first bytes")
    func webM() {
        let guess = StreamSniffer.guess(ByteBuffer(bytes: HandmadeWebM.header()))
        #expect(guess == StreamGuess(isWebM: true, contentType: "video/webm; codecs=\"vp8, opus\""))
    }

    @Test("too few bytes give no guess, unless there are no more")
    func tooFewBytes() {
        #expect(StreamSniffer.guess(ByteBuffer(string: "hello")) == nil)
        #expect(type(Array("hello".utf8)) == "text/plain; charset=utf-8")
        #expect(type([]) == "application/octet-stream")
    }

    @Test("common formats are told apart")
    func formats() {
        #expect(type([0, 0, 0, 24] + Array("ftypisom....".utf8)) == "video/mp4")
        #expect(type(Array("OggS........".utf8)) == "application/ogg")
        #expect(type(Array("RIFF....WAVEfmt ".utf8)) == "audio/wav")
        #expect(type([0x47] + [UInt8](repeating: 0xFF, count: 187) + [0x47]) == "video/mp2t")
        #expect(type(Array("Go and see what text this is".utf8)) == "text/plain; charset=utf-8")
        #expect(type(Array("Grüße, whole or cut: ü".utf8.dropLast())) == "text/plain; charset=utf-8")
        #expect(type([UInt8](repeating: 0xC3, count: 20)) == "application/octet-stream")
        #expect(type([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]) == "application/octet-stream")
    }
}
