import PeerTreeMedia
import TestSupport
import WebRTC

/// What is fuzzed.
package enum FuzzTargetName: String, CaseIterable, Sendable {
    /// STUN datagrams into the decoder.
    case stun
    /// Session descriptions into the parser.
    case sdp
    /// Candidate lines into the parser.
    case candidate
    /// Messages of the channel establishment protocol into the decoder.
    case dcep
    /// Messages, channel data and streams of a TURN server into its client.
    case turn
    /// Frames of the tree's own protocol into a source and a viewer.
    case frames
    /// Chunks of signed blocks, and what a source signs besides, into the decoders; and one after the other to a viewer.
    case blocks
    /// WebM files into the demuxer, and what comes out of it into the muxer.
    case webm
    /// Catalogs, descriptions and frames of media from upstream into the parsers and a recorder.
    case media
    /// Datagrams of a DTLS handshake that are damaged on their way.
    case handshake
    /// SCTP packets of an authenticated but hostile peer into a live connection.
    case sctp
    /// The same into an association without a connection around it, in virtual time.
    case association
    /// Random messages between two associations over a random path: an input is the seed of one.
    case paths
    /// Whole datagrams, from the peer's address and from others, into a live connection. Nobody who cannot write an
    /// authentic datagram may do it any harm.
    case datagram
    /// Authentic connectivity checks of a hostile peer, from all over, into a live connection.
    case checks
    /// Whole broadcasts in virtual time in which clients come, go, die and get slow: an input is the seed of one.
    case churn
    /// Liars among the peers of such a broadcast, with frames and signalling of every kind: an input is a frame.
    case adversary
}

/// One run over one target.
package struct FuzzRun: Sendable {
    /// Which.
    package var target: FuzzTargetName
    /// Everything random follows from it.
    package var seed: UInt64
    /// The number of the first input; a stateless target can repeat one input by its number.
    package var first: UInt64 = 0
    /// How many inputs.
    package var inputs: UInt64
    /// Where inputs to begin with come from.
    package var corpus: Corpus
    /// Hears now and then how many inputs were used.
    package var progress: @Sendable (UInt64) -> Void = { _ in }

    /// A run over `inputs` inputs.
    package init(target: FuzzTargetName, seed: UInt64, first: UInt64 = 0, inputs: UInt64, corpus: Corpus) {
        self.target = target
        self.seed = seed
        self.first = first
        self.inputs = inputs
        self.corpus = corpus
    }

    /// Runs. Calls `note` with the number and the bytes of every input before it is used.
    ///
    /// - Returns: how many inputs were accepted, that is, got past the first check of what they were given to.
    /// - Throws: `FuzzFailure` when an input broke a promise.
    package func run(note: @escaping @Sendable (UInt64, [UInt8]) -> Void) async throws -> UInt64 {
        let note: @Sendable (UInt64, [UInt8]) -> Void = { number, input in
            // Of this target many inputs go together.
            if self.target != .adversary { self.progress(number - self.first) }
            note(number, input)
        }
        let folder = self.target == .association ? FuzzTargetName.sctp.rawValue : self.target.rawValue
        let corpus =
            try self.target == .churn || self.target == .paths ? [] : self.corpus.inputs(of: folder).map(\.bytes)
        switch self.target {
        case .stun: return try self.parse(StunShape.self, corpus, note, ParserProbe.stun)
        case .sdp: return try self.parse(TextShape.self, corpus, note, ParserProbe.sdp)
        case .candidate: return try self.parse(TextShape.self, corpus, note, ParserProbe.candidate)
        case .dcep: return try self.parse(PlainShape.self, corpus, note, ParserProbe.dcep)
        case .webm: return try self.parse(WebMShape.self, corpus, note, MediaProbe.webm)
        case .media: return try self.parse(TextShape.self, corpus, note, MediaProbe.message)
        case .turn: return try TURNTarget.run(self, corpus, note)
        case .frames: return FrameTarget.run(self, corpus, note)
        case .blocks:
            var viewer = SignedViewer(seed: self.seed)
            return try self.parse(PlainShape.self, corpus, note) { input in
                try viewer.receive(input)
                return try BlockProbe.message(input)
            }
        case .handshake: return try HandshakeTarget.run(self, corpus, note)
        case .sctp: return try await LiveTarget.run(self, corpus, .plaintext, note)
        case .association: return try AssociationTarget.run(self, corpus, note)
        case .paths: return try PathTarget.run(self, note)
        case .datagram: return try await LiveTarget.run(self, corpus, .datagrams, note)
        case .checks: return try await LiveTarget.run(self, corpus, .checks, note)
        case .churn: return try ChurnTarget.run(self, note)
        case .adversary: return try AdversaryTarget.run(self, corpus, note)
        }
    }

    /// The generator of one input: an input depends on the seed and its number only.
    func generator(_ number: UInt64) -> SeededGenerator {
        SeededGenerator(seed: self.seed &* 0x9E37_79B9_7F4A_7C15 &+ number &* 0xD1B5_4A32_D192_ED03)
    }

    var numbers: Range<UInt64> { self.first..<(self.first + self.inputs) }

    private func parse(
        _ shape: any InputShape.Type,
        _ corpus: [[UInt8]],
        _ note: (UInt64, [UInt8]) -> Void,
        _ probe: ([UInt8]) throws -> Bool
    ) throws -> UInt64 {
        let mutator = Mutator(corpus: corpus, limit: shape.limit, isText: shape.isText)
        var accepted: UInt64 = 0
        for number in self.numbers {
            var random = self.generator(number)
            var input = mutator.input(number, &random)
            if number >= UInt64(corpus.count) { shape.mend(&input, &random) }
            note(number, input)
            do {
                if try probe(input) { accepted += 1 }
            } catch {
                throw FuzzFailure(run: self, number: number, input: input, reason: "\(error)")
            }
        }
        return accepted
    }
}

/// An input that broke a promise.
package struct FuzzFailure: Error, CustomStringConvertible {
    var run: FuzzRun
    var number: UInt64
    /// The input, to be added to the corpus.
    package var input: [UInt8]
    var reason: String

    package var description: String {
        "target \(self.run.target.rawValue), seed \(self.run.seed), input \(self.number): \(self.reason)"
    }
}

/// How inputs of a kind look, and what of a damaged one is mended so that it gets past the first check.
protocol InputShape {
    static var limit: Int { get }
    static var isText: Bool { get }
    static func mend(_ input: inout [UInt8], _ random: inout SeededGenerator)
}

enum PlainShape: InputShape {
    static let limit = 4096
    static let isText = false
    static func mend(_ input: inout [UInt8], _ random: inout SeededGenerator) {}
}

enum WebMShape: InputShape {
    static let limit = 16_384
    static let isText = false
    static func mend(_ input: inout [UInt8], _ random: inout SeededGenerator) {}
}

enum TextShape: InputShape {
    static let limit = 16_384
    static let isText = true
    static func mend(_ input: inout [UInt8], _ random: inout SeededGenerator) {}
}

enum StunShape: InputShape {
    static let limit = 2048
    static let isText = false

    /// Half of the inputs get a length and a cookie that are right: the attributes are what is interesting.
    static func mend(_ input: inout [UInt8], _ random: inout SeededGenerator) {
        guard input.count >= 20, Bool.random(using: &random) else { return }
        input.removeLast(input.count % 4)
        input[2] = UInt8((input.count - 20) >> 8)
        input[3] = UInt8((input.count - 20) & 0xFF)
        input.replaceSubrange(4..<8, with: [0x21, 0x12, 0xA4, 0x42])
        input[0] &= 0x3F
    }
}
