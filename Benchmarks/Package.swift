// swift-tools-version: 6.1
import PackageDescription

let package = Package(
    name: "Benchmarks",
    platforms: [.macOS(.v15)],
    dependencies: [
        .package(name: "peer-tree", path: ".."),
        .package(url: "https://github.com/apple/swift-argument-parser.git", from: "1.5.0"),
        .package(url: "https://github.com/apple/swift-nio.git", from: "2.101.0"),
    ],
    targets: [
        // Joins, leaves and memory of the tracker at a million peers.
        .executableTarget(
            name: "placement-bench",
            dependencies: [
                "Measuring",
                .product(name: "PeerTreeCore", package: "peer-tree"),
                .product(name: "TestSupport", package: "peer-tree"),
            ]
        ),
        // What a relay costs without sockets: processor time of the core for every chunk, and memory.
        .executableTarget(
            name: "peer-bench",
            dependencies: ["Measuring", .product(name: "PeerTreeCore", package: "peer-tree")]
        ),
        .target(name: "Measuring"),
        // A crowd of peers at a running server, through real sockets.
        .systemLibrary(name: "CEpoll"),
        .executableTarget(
            name: "load-bench",
            dependencies: [
                "CEpoll",
                "Measuring",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "TestSupport", package: "peer-tree"),
            ]
        ),
        // One role of the data channel benchmark; see README.md.
        .executableTarget(
            name: "transport-bench",
            dependencies: [
                .product(name: "WebRTC", package: "peer-tree"),
                .product(name: "NIOCore", package: "swift-nio"),
            ]
        ),
        // Throughput through an emulated network that delays and loses.
        .executableTarget(
            name: "loss-bench",
            dependencies: [
                .product(name: "LossyLink", package: "peer-tree"),
                .product(name: "NetworkEmulation", package: "peer-tree"),
                .product(name: "TestSupport", package: "peer-tree"),
                .product(name: "VirtualTransport", package: "peer-tree"),
                .product(name: "WebRTC", package: "peer-tree"),
                .product(name: "NIOCore", package: "swift-nio"),
            ]
        ),
    ]
)
