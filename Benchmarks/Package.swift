// swift-tools-version: 6.1
import PackageDescription

let package = Package(
    name: "Benchmarks",
    platforms: [.macOS(.v15)],
    dependencies: [
        .package(name: "peer-tree", path: ".."),
        .package(url: "https://github.com/apple/swift-nio.git", from: "2.101.0"),
    ],
    targets: [
        // Joins, leaves and memory of the tracker at a million peers.
        .executableTarget(
            name: "placement-bench",
            dependencies: [.product(name: "PeerTreeCore", package: "peer-tree")]
        ),
        // Viewers that join one tree of a running server through real sockets.
        .executableTarget(
            name: "joins-bench",
            dependencies: [
                .product(name: "SocketIO", package: "peer-tree"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
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
    ]
)
