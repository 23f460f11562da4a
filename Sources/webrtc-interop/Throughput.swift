import Foundation
import NIOCore
import WebRTC

/// One way throughput and round trips between this process and a second one.
enum Throughput {
    static func run(arguments: [String]) async throws {
        print("not yet")
    }
}
