import TestSupport
import WebRTC

/// What a TURN server sends, or somebody in its place: datagrams, answers to what the client has asked, streams.
enum TURNTarget {
    /// A client is replaced after so many inputs, or when it has given up.
    private static let lifetime = 256

    static func run(_ run: FuzzRun, _ corpus: [[UInt8]], _ note: (UInt64, [UInt8]) -> Void) throws -> UInt64 {
        let mutator = Mutator(corpus: corpus, limit: 4096, isText: false)
        var probe = TURNProbe(random: run.generator(run.first))
        var accepted: UInt64 = 0
        var count = 0
        for number in run.numbers {
            var random = run.generator(number)
            if probe.isOver || count == Self.lifetime {
                probe = TURNProbe(random: random)
                count = 0
            }
            count += 1
            if random.next() % 4 == 0 { probe.act(random.next()) }
            let input = mutator.input(number, &random)
            note(number, input)
            do {
                if try Self.give(input, to: probe, isWhole: number < UInt64(corpus.count), &random) { accepted += 1 }
            } catch {
                throw FuzzFailure(run: run, number: number, input: input, reason: "\(error)")
            }
        }
        return accepted
    }

    /// An input of the corpus is tried in all ways, any other in one.
    private static func give(
        _ input: [UInt8],
        to probe: TURNProbe,
        isWhole: Bool,
        _ random: inout SeededGenerator
    ) throws -> Bool {
        let way = random.next() % 4
        let pieces = Int.random(in: 1...64, using: &random)
        var isAccepted = false
        if isWhole || way == 0 { isAccepted = try probe.receive(datagram: input) || isAccepted }
        if isWhole || way == 1 { isAccepted = try probe.receive(stream: input, pieces: pieces) || isAccepted }
        if isWhole || way == 2 { isAccepted = try probe.receive(answer: input, isSigned: false) || isAccepted }
        if isWhole || way == 3 { isAccepted = try probe.receive(answer: input, isSigned: true) || isAccepted }
        return isAccepted
    }
}
