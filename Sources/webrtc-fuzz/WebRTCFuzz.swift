import ArgumentParser
import Foundation
import Fuzzing

/// Fuzzes everything that parses a byte from outside.
@main
struct WebRTCFuzz: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "webrtc-fuzz",
        abstract: "Gives hostile input to parsers and to live connections.",
        discussion: """
            Inputs are damaged copies of the corpus. Everything follows from the seed, except what happens in between on \
            a live connection. An input that crashes or breaks a promise is written to webrtc-fuzz-finding.bin: mend the \
            fault, and add the file to the corpus of its target.
            """
    )

    @Option(help: "What to fuzz: \(FuzzTargetName.allCases.map(\.rawValue).joined(separator: ", ")); may be repeated.")
    var target: [String] = FuzzTargetName.allCases.map(\.rawValue)

    @Option(help: "Everything random follows from it.")
    var seed: UInt64 = 1

    @Option(help: "Inputs, shared among the targets: four of five to the parsers, the others to what is slower.")
    var inputs: UInt64 = 1_000_000

    @Option(help: "Frames that liars send in whole broadcasts, the inputs of the target adversary.")
    var frames: UInt64 = 10_000_000

    @Option(help: "The number of the first input, to repeat a part of a run.")
    var first: UInt64 = 0

    @Option(help: "The folder of the corpus.")
    var corpus = "Tests/Corpus"

    @Flag(help: "Write real messages of this stack into the corpus instead of fuzzing.")
    var record = false

    func run() async throws {
        let corpus = Corpus(folder: URL(fileURLWithPath: self.corpus))
        if self.record { return try await CorpusRecorder.record(into: corpus) }
        let targets = try self.target.map { name in
            guard let target = FuzzTargetName(rawValue: name) else {
                throw ValidationError("there is no target '\(name)'")
            }
            return target
        }
        Watch.begin()
        let weight = targets.reduce(0) { $0 + $1.weight }
        var total: UInt64 = 0
        let begin = ContinuousClock.now
        let memory = residentMebibytes()
        for target in targets {
            let inputs = target == .adversary ? self.frames : self.inputs * target.weight / max(1, weight)
            var run = FuzzRun(target: target, seed: self.seed, first: self.first, inputs: inputs, corpus: corpus)
            let progress = FuzzProgress(of: target, inputs: inputs)
            run.progress = { progress.tell($0) }
            try await Self.fuzz(run)
            total += inputs
        }
        let seconds = Self.seconds(since: begin)
        print(
            "total      \(total) inputs in \(seconds) s without a finding, seed \(self.seed); "
                + "resident memory \(memory) MiB before, \(residentMebibytes()) MiB after"
        )
    }

    private static func fuzz(_ run: FuzzRun) async throws {
        Watch.target(run.target.rawValue, seed: run.seed)
        let begin = ContinuousClock.now
        let memory = residentMebibytes()
        do {
            let accepted = try await run.run { number, input in Watch.note(number, input) }
            print(
                run.target.rawValue.padding(toLength: 10, withPad: " ", startingAt: 0),
                "\(run.inputs) inputs, \(accepted) accepted, \(Self.seconds(since: begin)) s,",
                "resident memory \(memory) -> \(residentMebibytes()) MiB"
            )
        } catch let failure as FuzzFailure {
            try Data(failure.input).write(to: URL(fileURLWithPath: Watch.findingPath))
            throw failure
        }
    }

    private static func seconds(since begin: ContinuousClock.Instant) -> String {
        let duration = ContinuousClock.now - begin
        return String(
            format: "%.1f",
            Double(duration.components.seconds) + Double(duration.components.attoseconds) / 1e18
        )
    }
}

extension FuzzTargetName {
    /// The share of the inputs this target gets; none if it has a number of its own.
    var weight: UInt64 {
        switch self {
        case .stun, .sdp, .candidate, .dcep: 256
        case .frames, .blocks, .turn: 256
        case .webm, .media: 64
        case .sctp, .association, .datagram, .checks: 96
        case .handshake: 32
        case .paths: 22
        case .churn: 1
        case .adversary: 0
        }
    }
}

/// Memory of this process that is in RAM now. 0 where the system does not tell.
private func residentMebibytes() -> Int {
    guard let text = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8) else { return 0 }
    let fields = text.split(separator: " ")
    guard fields.count > 1, let pages = Int(fields[1]) else { return 0 }
    return pages * Int(sysconf(Int32(_SC_PAGESIZE))) / (1 << 20)
}
