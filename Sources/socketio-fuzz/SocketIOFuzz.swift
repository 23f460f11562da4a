import SocketIO
import TestSupport

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// `socketio-fuzz [--inputs N] [--seed S] [--target NAME]` feeds N mutated messages (default 1,000,000) to the library's
/// parsers and session, after those of the corpus as they are, and ends with 1 at the first that breaks something, which it prints. A trap ends it as well:
/// the same seed repeats it.
@main
struct SocketIOFuzz {
    private static var targets: [any FuzzTarget.Type] {
        [
            EngineCodecTarget.self, SocketCodecTarget.self, SessionTarget.self, JSONTarget.self, FormTarget.self,
            WebSocketTarget.self,
        ]
    }

    static func main() {
        var inputs = 1_000_000
        var seed: UInt64 = 1
        var chosen = targets.map { $0.name }
        var arguments = CommandLine.arguments.dropFirst()
        while let argument = arguments.popFirst() {
            let value = arguments.popFirst() ?? ""
            switch argument {
            case "--inputs": inputs = Int(value) ?? -1
            case "--seed": seed = UInt64(value) ?? 1
            case "--target": chosen = [value]
            default: inputs = -1
            }
        }
        guard inputs >= 0, chosen.allSatisfy({ name in targets.contains { $0.name == name } }) else {
            print(
                "usage: socketio-fuzz [--inputs N] [--seed S] [--target \(targets.map { $0.name }.joined(separator: "|"))]"
            )
            exit(64)
        }
        print("seed \(seed), \(inputs) inputs, resident \(residentKilobytes()) KB")
        for target in targets where chosen.contains(target.name) {
            run(makeTarget(target), inputs: inputs / chosen.count, seed: seed)
        }
        print("no finding; resident \(residentKilobytes()) KB")
    }

    private static func makeTarget(_ type: any FuzzTarget.Type) -> any FuzzTarget { type.init() }

    private static func run(_ target: some FuzzTarget, inputs: Int, seed: UInt64) {
        var target = target
        var random = SeededGenerator(seed: seed)
        let mutator = Mutator(corpus: type(of: target).corpus)
        let begin = ContinuousClock.now
        let corpus = type(of: target).corpus
        for number in 0..<(corpus.count + inputs) {
            // The messages of the corpus first, as they are.
            let input = number < corpus.count ? corpus[number] : mutator.next(using: &random)
            do throws(Finding) {
                try target.take(input, using: &random)
            } catch {
                print("\(type(of: target).name): seed \(seed), input \(number): \(input): \(error.problem)")
                exit(1)
            }
        }
        let seconds = Double((ContinuousClock.now - begin) / .milliseconds(1)) / 1000
        print("\(type(of: target).name): \(inputs) inputs in \(seconds) s")
        fflush(nil)
    }

    /// Linux only; 0 elsewhere.
    private static func residentKilobytes() -> Int {
        guard let file = fopen("/proc/self/statm", "r") else { return 0 }
        defer { fclose(file) }
        var text = [CChar](repeating: 0, count: 256)
        guard fgets(&text, Int32(text.count), file) != nil else { return 0 }
        let fields = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self).split(
            separator: " "
        )
        return fields.count > 1 ? (Int(fields[1]) ?? 0) * Int(sysconf(Int32(_SC_PAGESIZE))) / 1024 : 0
    }
}
