// The functions that the JavaScript side calls, one per input of the peer. There is one peer per instance of the
// module, and one thread in it. Times are in milliseconds, as browsers count them.

/// The one peer of this instance, and where its outputs are written.
private struct Instance {
    var configuration = PeerConfiguration()
    var peer: Peer<HandleBuffer>?
    var record = OutputRecord()

    mutating func handle(_ input: PeerInput<HandleBuffer>, _ now: Double) {
        peer?.handle(input, at: Instant(milliseconds: now))
    }
}

// WebAssembly runs on one thread here: nothing can touch it at the same time.
nonisolated(unsafe) private var instance = Instance()

extension Double {
    /// The whole number next below; what does not fit is clamped, since traps cannot be recovered from.
    fileprivate var clamped: UInt64 {
        guard self > 0 else { return 0 }
        return self < 9.2e18 ? UInt64(self) : UInt64(1) << 62
    }
}

extension Instant {
    fileprivate init(milliseconds: Double) {
        self.init(nanoseconds: (milliseconds * 1e6).clamped)
    }
}

// MARK: Beginning

/// Sets one limit or timer before `start`; the options are numbered as in `Web/src/machine.js`. Times in milliseconds.
@_expose(wasm, "configure")
@_cdecl("configure")
func configure(_ option: UInt32, _ value: Double) {
    let count = Int(min(value.clamped, UInt64(Int32.max)))
    let span = TimeSpan(nanoseconds: (value * 1e6).clamped)
    switch option {
    case 0: instance.configuration.stripes = UInt8(clamping: count)
    case 1: instance.configuration.policy = StreamPolicy(rawValue: UInt8(clamping: count)) ?? .lossless
    case 2: instance.configuration.replayChunks = count
    case 3: instance.configuration.replayBytes = count
    case 4: instance.configuration.window = UInt32(clamping: count)
    case 5: instance.configuration.highWater = count
    case 6: instance.configuration.maximumMessageBytes = count
    case 7: instance.configuration.maximumLinks = count
    case 8: instance.configuration.heartbeatInterval = span
    case 9: instance.configuration.silenceTimeout = span
    case 10: instance.configuration.connectTimeout = span
    case 11: instance.configuration.patience = span
    case 12: instance.configuration.maximumLiveLag = span
    case 13: instance.configuration.leaveTimeout = span
    default: break
    }
}

/// Makes the peer.
@_expose(wasm, "start")
@_cdecl("start")
func start(_ isSource: Int32, _ streamHigh: UInt32, _ streamLow: UInt32) {
    let streamID = UInt64(streamHigh) << 32 | UInt64(streamLow)
    let configuration = instance.configuration
    instance.peer =
        isSource != 0
        ? .source(configuration, streamID: streamID) : .viewer(configuration, streamID: streamID)
}

// MARK: Inputs

@_expose(wasm, "assigned")
@_cdecl("assigned")
func assigned(_ remote: UInt32, _ stripe: UInt32, _ epoch: UInt32, _ now: Double) {
    instance.handle(.assigned(RemoteID(remote), stripe: UInt8(clamping: stripe), epoch: epoch), now)
}

@_expose(wasm, "link_opened")
@_cdecl("link_opened")
func linkOpened(_ link: UInt32, _ remote: UInt32, _ isChild: Int32, _ isNative: Int32, _ now: Double) {
    let role: NeighbourRole = isChild != 0 ? .child : .parent
    instance.handle(.linkOpened(LinkID(link), RemoteID(remote), role, isNative != 0 ? .native : .plain), now)
}

@_expose(wasm, "link_closed")
@_cdecl("link_closed")
func linkClosed(_ link: UInt32, _ now: Double) {
    instance.handle(.linkClosed(LinkID(link)), now)
}

@_expose(wasm, "connect_failed")
@_cdecl("connect_failed")
func connectFailed(_ remote: UInt32, _ isRefusal: Int32, _ now: Double) {
    instance.handle(.connectFailed(RemoteID(remote), isRefusal != 0 ? .refused : .unreachable), now)
}

/// Takes over the frame.
@_expose(wasm, "received")
@_cdecl("received")
func received(_ link: UInt32, _ frame: UInt32, _ count: Int, _ isText: Int32, _ now: Double) {
    instance.handle(.received(LinkID(link), HandleBuffer(frame: frame, count: count), isText: isText != 0), now)
}

@_expose(wasm, "drained")
@_cdecl("drained")
func drained(_ link: UInt32, _ buffered: Int, _ now: Double) {
    instance.handle(.drained(LinkID(link), buffered: buffered), now)
}

@_expose(wasm, "child_released")
@_cdecl("child_released")
func childReleased(_ remote: UInt32, _ now: Double) {
    instance.handle(.childReleased(RemoteID(remote)), now)
}

@_expose(wasm, "consumed")
@_cdecl("consumed")
func consumed(_ sequence: Double, _ now: Double) {
    instance.handle(.consumed(through: sequence.clamped), now)
}

@_expose(wasm, "tree_ended")
@_cdecl("tree_ended")
func treeEnded(_ now: Double) {
    instance.handle(.treeEnded, now)
}

@_expose(wasm, "leave")
@_cdecl("leave")
func leave(_ now: Double) {
    instance.handle(.leave, now)
}

@_expose(wasm, "tick")
@_cdecl("tick")
func tick(_ now: Double) {
    instance.handle(.tick, now)
}

/// Writes a message; takes over the frame that holds its payload. The timestamp is in microseconds since 1970.
@_expose(wasm, "publish")
@_cdecl("publish")
func publish(
    _ frame: UInt32,
    _ count: Int,
    _ isText: Int32,
    _ isJoinPoint: Int32,
    _ key: Int32,
    _ timestamp: Double,
    _ now: Double
) {
    let options = MessageOptions(
        isText: isText != 0,
        isJoinPoint: isJoinPoint != 0,
        retainedKey: key < 0 ? nil : UInt16(clamping: key)
    )
    let payload = HandleBuffer(frame: frame, count: count)
    instance.peer?.publish(payload, options, timestamp: timestamp.clamped, at: Instant(milliseconds: now))
}

@_expose(wasm, "finish")
@_cdecl("finish")
func finish(_ timestamp: Double, _ now: Double) {
    instance.peer?.finish(timestamp: timestamp.clamped, at: Instant(milliseconds: now))
}

// MARK: Outputs

/// Writes the next output into the record.
///
/// - Returns: its kind, or 0 if there is none.
@_expose(wasm, "next_output")
@_cdecl("next_output")
func nextOutput() -> Int32 {
    guard let output = instance.peer?.nextOutput() else {
        instance.record.clear()
        return 0
    }
    return instance.record.write(output)
}

/// Where the values of the output are, as an array of doubles.
@_expose(wasm, "output_values")
@_cdecl("output_values")
func outputValues() -> UnsafeMutablePointer<Double> {
    instance.record.values
}

@_expose(wasm, "output_value_count")
@_cdecl("output_value_count")
func outputValueCount() -> Int {
    instance.record.count
}

@_expose(wasm, "output_part_count")
@_cdecl("output_part_count")
func outputPartCount() -> Int {
    instance.record.parts.count / 3
}

/// Copies the parts of the output's message, three integers each.
@_expose(wasm, "output_part")
@_cdecl("output_part")
func outputPart(_ index: Int, _ field: Int) -> UInt32 {
    let position = index * 3 + field
    return instance.record.parts.indices.contains(position) ? instance.record.parts[position] : 0
}

/// When `tick` is due, in milliseconds; negative if never.
@_expose(wasm, "deadline")
@_cdecl("deadline")
func deadline() -> Double {
    guard let deadline = instance.peer?.deadline, deadline != .distantFuture else { return -1 }
    return Double(deadline.nanoseconds) / 1e6
}

// MARK: Questions

/// Facts as bits: 0 writable, 1 fed, 2 ended, 3 the whole subtree has everything; the policy from bit 4 on.
@_expose(wasm, "state")
@_cdecl("state")
func state() -> UInt32 {
    var bits: UInt32 = instance.peer?.isWritable == true ? 1 : 0
    if instance.peer?.isFed == true { bits |= 2 }
    if instance.peer?.isEnded == true { bits |= 4 }
    if instance.peer?.isSubtreeComplete == true { bits |= 8 }
    return bits | UInt32(instance.peer?.policy.rawValue ?? 0) << 4
}

/// Whether `publish` should wait for `writable`.
@_expose(wasm, "is_writable")
@_cdecl("is_writable")
func isWritable() -> Int32 {
    instance.peer?.isWritable == true ? 1 : 0
}

/// Writes the counters into the record, in the order of `Web/src/machine.js`.
@_expose(wasm, "write_counters")
@_cdecl("write_counters")
func writeCounters() {
    instance.record.clear()
    guard let counters = instance.peer?.counters else { return }
    instance.record.put(count: counters.chunksReceived)
    instance.record.put(count: counters.bytesReceived)
    instance.record.put(count: counters.chunksSent)
    instance.record.put(count: counters.bytesSent)
    instance.record.put(count: counters.messagesDelivered)
    instance.record.put(count: counters.duplicates)
    instance.record.put(count: counters.malformedFrames)
    instance.record.put(count: counters.unexpectedFrames)
    instance.record.put(count: counters.unknownFrames)
    instance.record.put(count: counters.repairRequests)
    instance.record.put(count: counters.chunksLost)
    instance.record.put(count: counters.discardedChunks)
    instance.record.put(count: counters.parentsLost)
    instance.record.put(count: counters.slowChildren)
    instance.record.put(count: counters.skips)
    instance.record.put(Double(instance.peer?.childCount ?? 0))
    let parent = instance.peer?.neighbours.first { $0.role == .parent }
    instance.record.put(parent?.roundTripTime.map { Double($0.nanoseconds) / 1e6 } ?? -1)
}
