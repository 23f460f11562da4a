import Foundation
import Testing

@Suite("Transcripts", .timeLimit(.minutes(5)))
struct TranscriptTests {
    struct Case: CustomTestStringConvertible, Sendable {
        let title: String
        let lines: [Substring]

        var testDescription: String { title }
    }

    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("Transcripts")

    /// All transcripts, by file and title.
    private static func transcripts() -> [Case] {
        let files = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
        return files.filter { $0.hasSuffix(".txt") }.sorted().flatMap {
            transcripts(of: folder.appendingPathComponent($0))
        }
    }

    private static func transcripts(of file: URL) -> [Case] {
        let text = (try? String(contentsOf: file, encoding: .utf8)) ?? ""
        return text.components(separatedBy: "\n== ").dropFirst().map { part in
            let lines = part.split(separator: "\n")
            let title = "\(file.lastPathComponent): \(lines.first ?? "")"
            return Case(title: title, lines: Array(lines.dropFirst()))
        }
    }

    @Test("A client says and does what its transcript says", arguments: transcripts())
    func transcript(transcript: Case) throws {
        let happened = try Transcript.run(transcript.lines)
        #expect(
            happened == transcript.lines.map(String.init),
            "\(transcript.title) went like this:\n\(happened.joined(separator: "\n"))"
        )
    }

    @Test("There are transcripts")
    func found() {
        #expect(Self.transcripts().count > 20)
    }
}
