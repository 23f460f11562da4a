/// A peer that other programs drive: tests of interoperation over standard input and output, and the measurement of
/// throughput between two processes.
@main
enum WebRTCInterop {
    static func main() async throws {
        switch CommandLine.arguments.dropFirst().first {
        case "peer":
            try await InteropPeer.run()
        case "nat-peer":
            try await NATPeer.run(arguments: Array(CommandLine.arguments.dropFirst(2)))
        case "webrtc-throughput":
            try await Throughput.run(arguments: Array(CommandLine.arguments.dropFirst(2)))
        default:
            print(
                "usage: webrtc-interop peer | nat-peer | webrtc-throughput [--seconds S] [--sizes BYTES,BYTES] [--mtu BYTES]"
            )
        }
    }
}
