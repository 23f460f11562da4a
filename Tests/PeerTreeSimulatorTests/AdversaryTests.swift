import Foundation
import PeerTreeSimulator
import TestSupport
import Testing

/// Liars of every kind among real peers. `make fuzz` plays millions of frames of theirs.
@Suite("Liars among real peers", .timeLimit(.minutes(5)))
struct AdversaryTests {
    private static let corpus = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("Corpus/adversary")

    private static let files = (try? FileManager.default.contentsOfDirectory(atPath: corpus.path).sorted()) ?? []

    @Test("What was mended stays mended", arguments: files)
    func replay(file: String) throws {
        let text = try String(contentsOf: Self.corpus.appendingPathComponent(file), encoding: .utf8)
        try AdversaryRun(try #require(AdversaryScript(text: text))).run()
    }

    @Test("The corpus is not empty")
    func hasCorpus() {
        #expect(!Self.files.isEmpty)
    }

    @Test("Nothing traps or grows, and 5 s after the liars are gone everyone is whole", arguments: UInt64(1)...100)
    func random(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let script = AdversaryScript.random(&random)
        do {
            try AdversaryRun(script).run()
        } catch {
            Issue.record("\(error), with the script\n\(script.text)")
        }
    }

    @Test("A script is the same after it was written and read")
    func text() throws {
        var random = SeededGenerator(seed: 1)
        var script = AdversaryScript.random(&random)
        for _ in 0..<200 {
            script = script.mutated(with: .random(&random), &random)
            #expect(AdversaryScript(text: script.text) == script)
        }
    }
}
