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
        .library(name: "PeerTreeClient", targets: ["PeerTreeClient"]),
        .library(name: "PeerTreeServer", targets: ["PeerTreeServer"]),
        .executable(name: "peer-tree", targets: ["peer-tree"]),
        .library(name: "SocketIO", targets: ["SocketIO"]),
        .executable(name: "socketio-echo", targets: ["socketio-echo"]),
        .library(name: "WebRTC", targets: ["WebRTC"]),
        // Of use to this project's own benchmarks only.
        .library(name: "LossyLink", targets: ["LossyLink"]),
        .library(name: "PeerTreeMedia", targets: ["PeerTreeMedia"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio.git", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-argument-parser.git", from: "1.5.0"),
        .package(url: "https://github.com/apple/swift-collections.git", from: "1.1.0"),
        .package(url: "https://github.com/apple/swift-asn1.git", from: "1.1.0"),
        .package(url: "https://github.com/apple/swift-certificates.git", from: "1.14.0"),
        .package(url: "https://github.com/apple/swift-configuration.git", from: "1.0.2"),
        .package(url: "https://github.com/apple/swift-crypto.git", from: "4.0.0"),
        .package(url: "https://github.com/apple/swift-http-types.git", from: "1.4.0"),
        .package(url: "https://github.com/apple/swift-log.git", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-metrics.git", from: "2.5.0"),
        .package(url: "https://github.com/apple/swift-nio-extras.git", from: "1.30.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl.git", from: "2.30.0"),
        .package(url: "https://github.com/apple/swift-system.git", from: "1.5.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird.git", from: "2.20.0"),
        .package(url: "https://github.com/vapor/jwt-kit.git", from: "5.1.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle.git", from: "2.8.0"),
    ],
    targets: [
        // What the tests of several targets share.
        .target(name: "TestSupport", path: "Tests/TestSupport", swiftSettings: strict),

        // A bad network between two sockets, for tests and benchmarks.
        .target(
            name: "LossyLink",
            dependencies: [
                .product(name: "HeapModule", package: "swift-collections"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            path: "Tests/LossyLink",
            swiftSettings: strict
        ),

        // The tracker and the peer as state machines. Imports nothing.
        .target(name: "PeerTreeCore", swiftSettings: strict),
        .testTarget(name: "PeerTreeCoreTests", dependencies: ["TestSupport", "PeerTreeCore"], swiftSettings: strict),

        // Engine.IO 4 and Socket.IO 5, server and client.
        .target(
            name: "SocketIO",
            dependencies: [
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOWebSocket", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict
        ),
        .testTarget(
            name: "SocketIOTests",
            dependencies: [
                "TestSupport",
                "SocketIO",
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "SwiftASN1", package: "swift-asn1"),
                .product(name: "X509", package: "swift-certificates"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOEmbedded", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOTLS", package: "swift-nio"),
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
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: strict
        ),
        // Feeds the library's parsers and its session with mutated messages.
        .executableTarget(
            name: "socketio-fuzz",
            dependencies: [
                "SocketIO",
                "TestSupport",
                .product(name: "NIOCore", package: "swift-nio"),
            ],
            swiftSettings: strict
        ),

        // The signalling service: the tracker behind Socket.IO events.
        .testTarget(
            name: "PeerTreeServerTests",
            dependencies: [
                "TestSupport",
                "PeerTreeServer",
                "PeerTreeCore",
                "SocketIO",
                .product(name: "CoreMetrics", package: "swift-metrics"),
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "CryptoExtras", package: "swift-crypto"),
                .product(name: "NIOCore", package: "swift-nio"),
            ],
            swiftSettings: strict
        ),

        // ICE, DTLS, SCTP and data channels on SwiftNIO, OpenSSL and usrsctp.
        .systemLibrary(name: "COpenSSL", providers: [.apt(["libssl-dev"]), .brew(["openssl@3"])]),
        .systemLibrary(name: "CUSRSCTP", providers: [.apt(["libusrsctp-dev"]), .brew(["libusrsctp"])]),
        .systemLibrary(name: "CDatagram"),
        .target(
            name: "WebRTC",
            dependencies: [
                "CDatagram",
                "COpenSSL",
                "CUSRSCTP",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict
        ),
        .testTarget(
            name: "WebRTCTests",
            dependencies: [
                "TestSupport",
                "COpenSSL",
                "Fuzzing",
                "LossyLink",
                "WebRTC",
                .product(name: "NIOCore", package: "swift-nio"),
            ],
            swiftSettings: strict
        ),
        // Hostile input into everything that parses a byte from outside: the targets, and the program that drives them.
        .target(
            name: "Fuzzing",
            dependencies: [
                "TestSupport", "PeerTreeCore", "PeerTreeMedia", "WebRTC",
                .product(name: "NIOCore", package: "swift-nio"),
            ],
            swiftSettings: strict
        ),
        .executableTarget(
            name: "webrtc-fuzz",
            dependencies: ["Fuzzing", .product(name: "ArgumentParser", package: "swift-argument-parser")],
            swiftSettings: strict
        ),

        // A peer for the interoperation tests and for measuring.
        .executableTarget(
            name: "webrtc-interop",
            dependencies: ["WebRTC", .product(name: "NIOCore", package: "swift-nio")],
            swiftSettings: strict
        ),

        // Takes WebM apart into frames and puts frames into WebM; the catalog and the frames on the wire.
        .target(
            name: "PeerTreeMedia",
            dependencies: [.product(name: "NIOCore", package: "swift-nio")],
            swiftSettings: strict
        ),
        .testTarget(
            name: "PeerTreeMediaTests",
            dependencies: ["TestSupport", "PeerTreeMedia", .product(name: "NIOCore", package: "swift-nio")],
            swiftSettings: strict
        ),

        // The native peer: drives the core over Socket.IO and WebRTC.
        .target(
            name: "PeerTreeClient",
            dependencies: [
                "PeerTreeCore",
                "SocketIO",
                "WebRTC",
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOConcurrencyHelpers", package: "swift-nio"),
                .product(name: "NIOCore", package: "swift-nio"),
            ],
            swiftSettings: strict
        ),
        .testTarget(
            name: "PeerTreeClientTests",
            dependencies: [
                "PeerTreeClient",
                "PeerTreeCore",
                "PeerTreeServer",
                "SocketIO",
                .product(name: "NIOConcurrencyHelpers", package: "swift-nio"),
                .product(name: "NIOCore", package: "swift-nio"),
            ],
            swiftSettings: strict
        ),

        // Placement and signalling over Socket.IO, and the server's pages.
        .target(
            name: "PeerTreeServer",
            dependencies: [
                "PeerTreeCore",
                "SocketIO",
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "JWTKit", package: "jwt-kit"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "CoreMetrics", package: "swift-metrics"),
                .product(name: "Metrics", package: "swift-metrics"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
                .product(name: "NIOHTTPTypesHTTP1", package: "swift-nio-extras"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            swiftSettings: strict
        ),

        // The command line.
        .executableTarget(
            name: "peer-tree",
            dependencies: [
                "PeerTreeClient",
                "PeerTreeCore",
                "PeerTreeMedia",
                "PeerTreeServer",
                "SocketIO",
                "WebRTC",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Configuration", package: "swift-configuration"),
                .product(name: "CoreMetrics", package: "swift-metrics"),
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOConcurrencyHelpers", package: "swift-nio"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "SystemPackage", package: "swift-system"),
            ],
            swiftSettings: strict
        ),
    ]
)

// For quick work on a part: `PEER_TREE_ONLY=WebRTC swift build --build-tests` builds that target, its tests and what
// they depend on, and nothing else. Several names are separated by commas.
if let only = Context.environment["PEER_TREE_ONLY"] {
    var wanted = Set(only.split(separator: ",").flatMap { [String($0), "\($0)Tests"] })
    for _ in package.targets {
        for target in package.targets where wanted.contains(target.name) {
            for case .byNameItem(let name, _) in target.dependencies { wanted.insert(name) }
        }
    }
    package.targets.removeAll { !wanted.contains($0.name) }
    package.products = []
}
