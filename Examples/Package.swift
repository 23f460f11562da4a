// swift-tools-version: 6.1
import PackageDescription

let package = Package(
    name: "Examples",
    platforms: [.macOS(.v15)],
    dependencies: [
        .package(name: "peer-tree", path: ".."),
        .package(url: "https://github.com/apple/swift-crypto.git", from: "4.0.0"),
        .package(url: "https://github.com/apple/swift-nio.git", from: "2.101.0"),
    ],
    targets: [
        // A server, a source and three viewers in one process: the whole of peer-tree in one screen.
        .executableTarget(
            name: "hello-tree",
            dependencies: [
                .product(name: "PeerTreeClient", package: "peer-tree"),
                .product(name: "PeerTreeServer", package: "peer-tree"),
                .product(name: "SocketIO", package: "peer-tree"),
            ]
        ),
        // A chat that a plain page with socket.io-client talks to.
        .executableTarget(
            name: "chat",
            dependencies: [
                .product(name: "SocketIO", package: "peer-tree"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
            ]
        ),
        // Two WebRTC peers and a data channel, without peer-tree on top.
        .executableTarget(
            name: "data-channel",
            dependencies: [.product(name: "WebRTC", package: "peer-tree")]
        ),
        // Two SCTP associations in one process, without WebRTC, sockets or a clock.
        .executableTarget(
            name: "sctp-pair",
            dependencies: [
                .product(name: "SCTP", package: "peer-tree"),
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "NIOCore", package: "swift-nio"),
            ]
        ),
        // Cuts a WebM file the way a broadcast does, and writes what a viewer who came late would get.
        .executableTarget(
            name: "late-join",
            dependencies: [
                .product(name: "PeerTreeMedia", package: "peer-tree"),
                .product(name: "NIOCore", package: "swift-nio"),
            ]
        ),
    ]
)
