// Compiled together with the core by wasm-check: generic code is only checked, and only linked, where it is used.

/// A frame buffer as a browser's would be: a handle to bytes elsewhere, with its header at hand.
struct HandleBuffer: FrameBuffer {
    var handle: UInt32
    var offset: Int
    var count: Int
    var head: [UInt8]

    init(bytes: [UInt8]) {
        (handle, offset, count, head) = (0, 0, bytes.count, bytes)
    }

    init(header: [UInt8], payload: HandleBuffer) {
        (handle, offset, count, head) = (payload.handle, payload.offset, header.count + payload.count, header)
    }

    func withPrefix<Result>(_ count: Int, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        head.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0.prefix(count))) }
    }

    func slice(from start: Int, to end: Int) -> HandleBuffer {
        var part = self
        part.offset += start
        part.count = end - start
        return part
    }
}

/// A source and a viewer exchange a message; returns how many arrived.
@_cdecl("exercise_peer")
public func exercisePeer(_ now: UInt64) -> UInt32 {
    var source = Peer<HandleBuffer>.source(PeerConfiguration(), streamID: now)
    var viewer = Peer<HandleBuffer>.viewer(PeerConfiguration(), streamID: now)
    let instant = Instant(nanoseconds: now)
    source.handle(.linkOpened(LinkID(1), RemoteID(1), .child, .native), at: instant)
    viewer.handle(.assigned(RemoteID(0), stripe: 0, epoch: 1), at: instant)
    viewer.handle(.linkOpened(LinkID(1), RemoteID(0), .parent, .native), at: instant)
    _ = try? source.publish(HandleBuffer(bytes: [1, 2, 3]), timestamp: now, at: instant)
    source.finish(timestamp: now, at: instant)
    var delivered: UInt32 = 0
    for _ in 0..<8 {
        while let output = viewer.nextOutput() {
            if case .send(_, let frame) = output {
                source.handle(.received(LinkID(1), frame, isText: false), at: instant)
            }
            if case .deliver = output { delivered += 1 }
        }
        while let output = source.nextOutput() {
            if case .send(_, let frame) = output {
                viewer.handle(.received(LinkID(1), frame, isText: false), at: instant)
            }
        }
    }
    return delivered
}

/// A viewer joins and leaves; returns how many outputs that caused.
@_cdecl("exercise_tracker")
public func exerciseTracker(_ now: UInt64) -> UInt32 {
    var tracker = Tracker()
    let instant = Instant(nanoseconds: now)
    guard let source = try? tracker.createTree(isNative: true, at: instant),
        let viewer = try? tracker.join(source.tree, isNative: true, at: instant)
    else { return 0 }
    try? tracker.handle(.leave(viewer), at: instant)
    var outputs: UInt32 = 0
    while tracker.nextOutput() != nil { outputs += 1 }
    return outputs
}
