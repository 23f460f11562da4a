import PeerTreeSimulator

/// Liars among real peers: see `AdversaryRun`. An input is a frame of theirs; those of a script go together, and a run
/// cannot be entered in its middle, since scripts grow out of those before them. The scripts of the corpus come first.
enum AdversaryTarget {
    static func run(
        _ run: FuzzRun,
        _ corpus: [[UInt8]],
        _ note: (UInt64, [UInt8]) -> Void
    ) throws -> UInt64 {
        let scripts = corpus.compactMap { AdversaryScript(text: String(decoding: $0, as: UTF8.self)) }
        guard scripts.count == corpus.count else { throw UnreadableScript() }
        var fuzzer = AdversaryFuzzer(corpus: scripts)
        var frames: UInt64 = 0
        var number: UInt64 = 0
        while frames < run.inputs || number < UInt64(scripts.count) {
            defer { number += 1 }
            var random = run.generator(number)
            let script = number < UInt64(scripts.count) ? scripts[Int(number)] : fuzzer.next(&random)
            let bytes = Array(script.text.utf8)
            note(number, bytes)
            let attack = AdversaryRun(script)
            do {
                try attack.run()
            } catch {
                throw FuzzFailure(run: run, number: number, input: bytes, reason: "\(error)")
            }
            frames += UInt64(attack.frames)
            run.progress(frames)
            fuzzer.note(script, did: attack.features(), &random)
        }
        return frames
    }

    private struct UnreadableScript: Error, CustomStringConvertible {
        var description: String { "a script in the corpus of adversaries is not understood" }
    }
}
