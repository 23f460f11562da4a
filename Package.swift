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
        .library(name: "PeerTreeSignalling", targets: ["PeerTreeSignalling"]),
        .executable(name: "peer-tree", targets: ["peer-tree"]),
        .library(name: "JSON", targets: ["JSON"]),
        .library(name: "SocketIO", targets: ["SocketIO"]),
        .executable(name: "socketio-echo", targets: ["socketio-echo"]),
        .library(name: "SCTP", targets: ["SCTP"]),
        .library(name: "WebRTC", targets: ["WebRTC"]),
        // Of use to this project's own benchmarks only.
        .library(name: "LossyLink", targets: ["LossyLink"]),
        .library(name: "NetworkEmulation", targets: ["NetworkEmulation"]),
        .library(name: "TestSupport", targets: ["TestSupport"]),
        .library(name: "VirtualTransport", targets: ["VirtualTransport"]),
        .library(name: "PeerTreeMedia", targets: ["PeerTreeMedia"]),
    ],
    traits: [
        .default(enabledTraits: ["Cluster"]),
        .trait(
            name: "Cluster",
            description:
                "Several servers as one: `peer-tree serve --cluster`. Without it the command needs fewer packages."
        ),
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
        .package(url: "https://github.com/apple/swift-protobuf.git", from: "1.38.0"),
        .package(url: "https://github.com/apple/swift-system.git", from: "1.5.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird.git", from: "2.20.0"),
        .package(url: "https://github.com/swift-server/async-http-client.git", from: "1.37.0"),
        .package(url: "https://github.com/vapor/jwt-kit.git", from: "5.1.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle.git", from: "2.8.0"),
    ],
    targets: [
        // What the tests of several targets share.
        .target(name: "TestSupport", path: "Tests/TestSupport", swiftSettings: strict),

        // A bad network as state machines: bottleneck, loss, delay; nodes around it in virtual time.
        .target(
            name: "NetworkEmulation",
            dependencies: [.product(name: "HeapModule", package: "swift-collections")],
            path: "Tests/NetworkEmulation",
            swiftSettings: strict
        ),
        .testTarget(
            name: "NetworkEmulationTests",
            dependencies: ["TestSupport", "NetworkEmulation"],
            swiftSettings: strict
        ),

        .systemLibrary(name: "CPoll", path: "Tests/CPoll"),
        // The same between TUN devices, in real time, for whatever a kernel routes there.
        .executableTarget(
            name: "path-emulator",
            dependencies: ["CPoll", "NetworkEmulation", "TestSupport"],
            path: "Tests/PathEmulator",
            swiftSettings: strict
        ),

        // Associations as nodes of such a network, in virtual time.
        .target(
            name: "VirtualTransport",
            dependencies: ["NetworkEmulation", "SCTP", "TestSupport", .product(name: "NIOCore", package: "swift-nio")],
            path: "Tests/VirtualTransport",
            swiftSettings: strict
        ),
        .testTarget(
            name: "VirtualTransportTests",
            dependencies: [
                "NetworkEmulation", "SCTP", "TestSupport", "VirtualTransport",
                .product(name: "NIOCore", package: "swift-nio"),
            ],
            swiftSettings: strict
        ),

        // The same between sockets, in real time, for tests and benchmarks.
        .target(
            name: "LossyLink",
            dependencies: [
                "NetworkEmulation",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            path: "Tests/LossyLink",
            swiftSettings: strict
        ),

        // The tracker and the peer as state machines. Imports nothing.
        .target(name: "PeerTreeCore", swiftSettings: strict),
        .testTarget(name: "PeerTreeCoreTests", dependencies: ["TestSupport", "PeerTreeCore"], swiftSettings: strict),

        // The core's host on a page. `Scripts/web` compiles both to WebAssembly as one module, of which SwiftPM knows
        // nothing yet; as a target it is checked by every build.
        .target(
            name: "PeerTreeWeb",
            dependencies: ["PeerTreeCore"],
            exclude: ["runtime.c"],
            swiftSettings: strict + [.enableExperimentalFeature("Extern")]
        ),

        // Whole broadcasts in virtual time around the real machines, and whoever lies in them.
        .target(name: "PeerTreeSimulator", dependencies: ["TestSupport", "PeerTreeCore"], swiftSettings: strict),
        .testTarget(
            name: "PeerTreeSimulatorTests",
            dependencies: ["TestSupport", "PeerTreeSimulator", "PeerTreeCore"],
            swiftSettings: strict
        ),

        // What state machines have in common. Imports nothing.
        .target(name: "StateMachine", swiftSettings: strict),

        // JSON (RFC 8259) as JavaScript prints it. Imports nothing.
        .target(name: "JSON", swiftSettings: strict),
        .testTarget(name: "JSONTests", dependencies: ["TestSupport", "JSON"], swiftSettings: strict),

        // Engine.IO 4 and Socket.IO 5, server and client.
        .target(
            name: "SocketIO",
            dependencies: [
                "JSON",
                "StateMachine",
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
                "JSON",
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
                "JSON",
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
                "JSON",
                "SocketIO",
                "TestSupport",
                .product(name: "NIOCore", package: "swift-nio"),
            ],
            swiftSettings: strict
        ),

        // SCTP associations as state machines.
        .target(name: "SCTP", dependencies: [.product(name: "NIOCore", package: "swift-nio")], swiftSettings: strict),
        // Another implementation, to be tried against.
        .systemLibrary(
            name: "CUSRSCTP",
            path: "Tests/CUSRSCTP",
            providers: [.apt(["libusrsctp-dev"]), .brew(["libusrsctp"])]
        ),
        .testTarget(
            name: "SCTPTests",
            dependencies: ["CUSRSCTP", "SCTP", "TestSupport", .product(name: "NIOCore", package: "swift-nio")],
            swiftSettings: strict
        ),

        // ICE, DTLS, SCTP and data channels on SwiftNIO and OpenSSL.
        .systemLibrary(name: "COpenSSL", providers: [.apt(["libssl-dev"]), .brew(["openssl@3"])]),
        .systemLibrary(name: "CChecksum"),
        .systemLibrary(name: "CDatagram"),
        .target(
            name: "WebRTC",
            dependencies: [
                "CChecksum",
                "CDatagram",
                "COpenSSL",
                "SCTP",
                "StateMachine",
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
                "NetworkEmulation",
                "SCTP",
                "WebRTC",
                .product(name: "NIOCore", package: "swift-nio"),
            ],
            swiftSettings: strict
        ),
        // Hostile input into everything that parses a byte from outside: the targets, and the program that drives them.
        .target(
            name: "Fuzzing",
            dependencies: [
                "TestSupport", "PeerTreeCore", "PeerTreeMedia", "PeerTreeSimulator", "SCTP", "VirtualTransport",
                "WebRTC",
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
            dependencies: ["StateMachine", .product(name: "NIOCore", package: "swift-nio")],
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
                "COpenSSL",
                "JSON",
                "PeerTreeCore",
                "SocketIO",
                "WebRTC",
                .product(name: "Crypto", package: "swift-crypto"),
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
                "TestSupport",
                "JSON",
                "PeerTreeClient",
                "PeerTreeCore",
                "PeerTreeServer",
                "SocketIO",
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "NIOConcurrencyHelpers", package: "swift-nio"),
                .product(name: "NIOCore", package: "swift-nio"),
            ],
            swiftSettings: strict
        ),

        // The signalling service as a state machine: the tracker behind Socket.IO events. Knows no sockets and no keys.
        .target(
            name: "PeerTreeSignalling",
            dependencies: ["JSON", "PeerTreeCore", "StateMachine"],
            swiftSettings: strict
        ),
        .testTarget(
            name: "PeerTreeSignallingTests",
            dependencies: [
                "TestSupport",
                "JSON",
                "PeerTreeCore",
                "PeerTreeSignalling",
                "PeerTreeSignallingWire",
                "StateMachine",
                .product(name: "Crypto", package: "swift-crypto"),
            ],
            swiftSettings: strict
        ),

        // Its joins on one loop and on two, from memory.
        .executableTarget(
            name: "signalling-bench",
            dependencies: [
                "JSON",
                "PeerTreeCore",
                "PeerTreeSignalling",
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            path: "Benchmarks/signalling",
            swiftSettings: strict
        ),

        // The messages of gateways and tree services as they go to another node. A server that is one node needs none of it.
        .target(
            name: "PeerTreeSignallingWire",
            dependencies: [
                "JSON",
                "PeerTreeCore",
                "PeerTreeSignalling",
                .product(name: "SwiftProtobuf", package: "swift-protobuf"),
            ],
            exclude: ["messages.proto"],
            swiftSettings: strict
        ),
        .testTarget(
            name: "PeerTreeSignallingWireTests",
            dependencies: [
                "TestSupport",
                "JSON",
                "PeerTreeCore",
                "PeerTreeSignalling",
                "PeerTreeSignallingWire",
                .product(name: "SwiftProtobuf", package: "swift-protobuf"),
            ],
            swiftSettings: strict
        ),

        // Ordered, acknowledged frames between the server nodes of a cluster, over TLS. Knows nothing of trees.
        .target(
            name: "NodeLinks",
            dependencies: [
                "StateMachine",
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "NIOTLS", package: "swift-nio"),
                .product(name: "SwiftASN1", package: "swift-asn1"),
                .product(name: "X509", package: "swift-certificates"),
            ],
            swiftSettings: strict
        ),
        .testTarget(
            name: "NodeLinksTests",
            dependencies: [
                "TestSupport",
                "NodeLinks",
                .product(name: "HeapModule", package: "swift-collections"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: strict
        ),

        // What a frame between two nodes costs.
        .executableTarget(
            name: "links-bench",
            dependencies: [
                "NodeLinks",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            path: "Benchmarks/links",
            swiftSettings: strict
        ),

        // Several servers as one: a client of etcd's, and who of them owns which slot. A server that is one node needs none
        // of it.
        .target(
            name: "PeerTreeCluster",
            dependencies: [
                "JSON",
                "NodeLinks",
                "PeerTreeCore",
                "PeerTreeSignalling",
                "PeerTreeSignallingWire",
                "StateMachine",
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "NIOConcurrencyHelpers", package: "swift-nio"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
            ],
            swiftSettings: strict
        ),
        .testTarget(
            name: "PeerTreeClusterTests",
            dependencies: [
                "TestSupport",
                "JSON",
                "NodeLinks",
                "PeerTreeCluster",
                "PeerTreeCore",
                "PeerTreeSignalling",
                "PeerTreeSignallingWire",
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "NIOConcurrencyHelpers", package: "swift-nio"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: strict
        ),

        // Signalling over Socket.IO, and the server's pages.
        .target(
            name: "PeerTreeServer",
            dependencies: [
                "JSON",
                "PeerTreeCore",
                "PeerTreeSignalling",
                "SocketIO",
                "StateMachine",
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

        .testTarget(
            name: "PeerTreeServerTests",
            dependencies: [
                "TestSupport",
                "JSON",
                "PeerTreeServer",
                "PeerTreeSignalling",
                .product(name: "CoreMetrics", package: "swift-metrics"),
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "CryptoExtras", package: "swift-crypto"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
            ],
            swiftSettings: strict
        ),

        // The command line.
        .executableTarget(
            name: "peer-tree",
            dependencies: [
                "JSON",
                .target(name: "NodeLinks", condition: .when(traits: ["Cluster"])),
                "PeerTreeClient",
                .target(name: "PeerTreeCluster", condition: .when(traits: ["Cluster"])),
                "PeerTreeCore",
                "PeerTreeMedia",
                "PeerTreeServer",
                "PeerTreeSignalling",
                "SocketIO",
                "WebRTC",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "AsyncHTTPClient", package: "async-http-client", condition: .when(traits: ["Cluster"])),
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
