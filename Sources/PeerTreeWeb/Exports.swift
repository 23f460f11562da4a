// The functions that the JavaScript side calls. There is one client per instance of the module, and one thread in it.
// Times are in milliseconds, as browsers count them.

#if canImport(PeerTreeCore)
import PeerTreeCore
#endif

/// The one client of this instance, and what lies on the boundary.
private struct Instance {
    var configuration = ClientConfiguration()
    var client: Client<HandleBuffer, SystemRandomNumberGenerator>?
    var inputs = InputRecord()
    var outputs = OutputRecord()
}

// WebAssembly runs on one thread here: nothing can touch it at the same time.
nonisolated(unsafe) private var instance = Instance()

// MARK: Beginning

/// Sets one ``Option`` before `start`.
@_expose(wasm, "configure")
@_cdecl("configure")
func configure(_ option: UInt32, _ value: Double) {
    if let option = Option(rawValue: option) { instance.configuration.set(option, value) }
}

/// Makes the client. Two texts were put down: what the program is called, and the bytes of the public key of a source that
/// signs. The time of day is in microseconds.
@_expose(wasm, "start")
@_cdecl("start")
func start(_ unixMicroseconds: Double, _ now: Double) {
    let (agent, key) = instance.inputs.takeTexts()
    if let agent { instance.configuration.membership.agent = agent }
    instance.configuration.membership.identity = key.flatMap { SourceKey($0.bytes) }
    instance.client = Client(
        instance.configuration,
        random: SystemRandomNumberGenerator(),
        unixMicroseconds: unixMicroseconds.clamped,
        at: Instant(milliseconds: now)
    )
}

// MARK: Inputs

/// Puts a number down for the input that comes next.
@_expose(wasm, "put_number")
@_cdecl("put_number")
func putNumber(_ number: Double) {
    instance.inputs.put(number)
}

/// Puts a text down for the input that comes next, and takes over the frame that holds it; 0 for no text.
@_expose(wasm, "put_text")
@_cdecl("put_text")
func putText(_ frame: UInt32, _ count: Int) {
    instance.inputs.put(frame == 0 ? nil : HandleBuffer(frame: frame, count: count).text)
}

/// Gives the client an ``Input`` with what was put down.
@_expose(wasm, "input")
@_cdecl("input")
func input(_ kind: UInt32, _ now: Double) {
    guard let kind = Input(rawValue: kind), let input = instance.inputs.take(kind) else { return }
    instance.client?.handle(input, at: Instant(milliseconds: now))
}

/// A message of a data channel came. Takes over the frame.
@_expose(wasm, "received")
@_cdecl("received")
func received(_ link: UInt32, _ frame: UInt32, _ count: Int, _ isText: Int32, _ now: Double) {
    let frame = HandleBuffer(frame: frame, count: count)
    instance.client?.handle(.received(LinkID(link), frame, isText: isText != 0), at: Instant(milliseconds: now))
}

/// Writes a message; takes over the frame that holds its payload.
@_expose(wasm, "publish")
@_cdecl("publish")
func publish(
    _ frame: UInt32,
    _ count: Int,
    _ isText: Int32,
    _ isJoinPoint: Int32,
    _ key: Int32,
    _ now: Double
) {
    let options = MessageOptions(
        isText: isText != 0,
        isJoinPoint: isJoinPoint != 0,
        retainedKey: key < 0 ? nil : UInt16(clamping: key)
    )
    let payload = HandleBuffer(frame: frame, count: count)
    instance.client?.handle(.publish(payload, options), at: Instant(milliseconds: now))
}

/// A message is sealed as it was asked for. Takes over the frame of the ciphertext and the tag.
@_expose(wasm, "sealed")
@_cdecl("sealed")
func sealed(_ frame: UInt32, _ count: Int, _ now: Double) {
    let ciphertext = HandleBuffer(frame: frame, count: count)
    instance.client?.handle(.sealed(ciphertext), at: Instant(milliseconds: now))
}

/// A message is opened as it was asked for. Takes over the frame of the payload; 0 if it is not authentic.
@_expose(wasm, "opened")
@_cdecl("opened")
func opened(_ frame: UInt32, _ count: Int, _ now: Double) {
    let payload = frame == 0 ? nil : HandleBuffer(frame: frame, count: count)
    instance.client?.handle(.opened(payload), at: Instant(milliseconds: now))
}

// MARK: Outputs

/// Writes the next output into the record, and returns its ``Output``.
@_expose(wasm, "next_output")
@_cdecl("next_output")
func nextOutput() -> UInt32 {
    guard let output = instance.client?.nextOutput() else {
        instance.outputs.clear()
        return Output.nothing.rawValue
    }
    return instance.outputs.write(output).rawValue
}

/// Where the numbers of the output are, as an array of doubles.
@_expose(wasm, "output_values")
@_cdecl("output_values")
func outputValues() -> UnsafeMutablePointer<Double> {
    instance.outputs.values
}

@_expose(wasm, "output_value_count")
@_cdecl("output_value_count")
func outputValueCount() -> Int {
    instance.outputs.count
}

@_expose(wasm, "output_part_count")
@_cdecl("output_part_count")
func outputPartCount() -> Int {
    instance.outputs.parts.count / 3
}

/// One of the three integers of a part: frame, offset, length.
@_expose(wasm, "output_part")
@_cdecl("output_part")
func outputPart(_ index: Int, _ field: Int) -> UInt32 {
    let position = index * 3 + field
    return instance.outputs.parts.indices.contains(position) ? instance.outputs.parts[position] : 0
}

/// When `tick` is due, in milliseconds; negative if never.
@_expose(wasm, "deadline")
@_cdecl("deadline")
func deadline() -> Double {
    guard let deadline = instance.client?.readDeadline(), deadline != .distantFuture else { return -1 }
    return Double(deadline.nanoseconds) / 1e6
}

// MARK: Questions

// They change nothing, but say that they may: what is only read would be read from a copy of the whole client.
extension Client {
    fileprivate mutating func readDeadline() -> Instant { deadline }
    fileprivate mutating func readWritability() -> Writability { writability }
    fileprivate mutating func readPolicy() -> StreamPolicy { peer?.policy ?? .lossless }
    fileprivate mutating func readSourceKey() -> SourceKey? { membership.sourceKey }
    fileprivate mutating func read(_ counter: Counter) -> Double { value(of: counter) }
}

/// Whether `publish` need not wait for `writable`.
@_expose(wasm, "is_writable")
@_cdecl("is_writable")
func isWritable() -> Int32 {
    instance.client?.readWritability() == .blocked ? 0 : 1
}

/// The `StreamPolicy` of the stream.
@_expose(wasm, "policy")
@_cdecl("policy")
func policy() -> UInt32 {
    UInt32(instance.client?.readPolicy().rawValue ?? 0)
}

/// Makes the key by which everything in this tree is signed the one part of the record; there is none in an unsigned tree.
@_expose(wasm, "read_source_key")
@_cdecl("read_source_key")
func readSourceKey() {
    instance.outputs.clear()
    if let key = instance.client?.readSourceKey() { instance.outputs.write(key.bytes) }
}

/// Writes every ``Counter`` into the record.
@_expose(wasm, "write_counters")
@_cdecl("write_counters")
func writeCounters() {
    instance.outputs.clear()
    for counter in Counter.allCases { instance.outputs.put(instance.client?.read(counter) ?? 0) }
}
