// swift-tools-version: 6.1
import PackageDescription

let strict: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
]

let package = Package(
    name: "peer-tree",
    platforms: [.macOS(.v15)],
    products: [
        .library(name: "PeerTreeCore", targets: ["PeerTreeCore"]),
        .library(name: "SocketIO", targets: ["SocketIO"]),
        .executable(name: "socketio-echo", targets: ["socketio-echo"]),
        .library(name: "WebRTC", targets: ["WebRTC"]),
        .library(name: "PeerTreeServer", targets: ["PeerTreeServer"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio.git", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-log.git", from: "1.6.0"),
    ],
    targets: [
        // The tracker and the peer as state machines. Imports nothing.
        .target(name: "PeerTreeCore", swiftSettings: strict),
        .testTarget(name: "PeerTreeCoreTests", dependencies: ["PeerTreeCore"], swiftSettings: strict),

        // Engine.IO 4 and Socket.IO 5, server and client.
        .target(
            name: "SocketIO",
            dependencies: [
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOWebSocket", package: "swift-nio"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict
        ),
        .testTarget(
            name: "SocketIOTests",
            dependencies: [
                "SocketIO",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOEmbedded", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOWebSocket", package: "swift-nio"),
            ],
            swiftSettings: strict
        ),
        // Serves what the public conformance suites expect of a Socket.IO server.
        .executableTarget(
            name: "socketio-echo",
            dependencies: [
                "SocketIO",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: strict
        ),

        // The signalling service: the tracker behind Socket.IO events.
        .target(name: "PeerTreeServer", dependencies: ["PeerTreeCore", "SocketIO"], swiftSettings: strict),
        .testTarget(
            name: "PeerTreeServerTests",
            dependencies: [
                "PeerTreeServer",
                "PeerTreeCore",
                "SocketIO",
                .product(name: "NIOCore", package: "swift-nio"),
            ],
            swiftSettings: strict
        ),

        // ICE, DTLS, SCTP and data channels on SwiftNIO, OpenSSL and usrsctp.
        .systemLibrary(name: "COpenSSL", providers: [.apt(["libssl-dev"]), .brew(["openssl@3"])]),
        .systemLibrary(name: "CUSRSCTP", providers: [.apt(["libusrsctp-dev"]), .brew(["libusrsctp"])]),
        .target(
            name: "WebRTC",
            dependencies: [
                "COpenSSL",
                "CUSRSCTP",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict
        ),
        .testTarget(name: "WebRTCTests", dependencies: ["WebRTC"], swiftSettings: strict),
    ]
)
