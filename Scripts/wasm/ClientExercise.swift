// Compiled together with the core by wasm-check.

/// A client enters a tree and leaves it; returns how many bytes it said to the server.
@_cdecl("exercise_client")
public func exerciseClient(_ now: UInt64) -> UInt32 {
    let instant = Instant(nanoseconds: now)
    var client = Client<HandleBuffer, SystemRandomNumberGenerator>(
        ClientConfiguration(),
        random: SystemRandomNumberGenerator(),
        unixMicroseconds: now,
        at: instant
    )
    client.handle(.serverConnected, at: instant)
    client.handle(.enter("tree"), at: instant)
    let answer: Text = #"{"id":"a","discoveryData":{"peers":[],"treeID":"tree","peerTree":{"parents":[]}}}"#
    var said = 0
    if let event = ServerEvent("simple-signal[discover]", answer) { client.handle(.server(event), at: instant) }
    client.handle(.tick(unixMicroseconds: now), at: client.deadline)
    client.handle(.leave, at: instant)
    while let output = client.nextOutput() {
        if case .emit(let event) = output { said += event.payload.bytes.count }
    }
    return UInt32(clamping: said)
}
