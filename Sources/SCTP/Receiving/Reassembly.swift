import NIOCore

/// Puts messages together from their fragments, in whatever order those come.
///
/// Fragments that follow each other form a run. One that continues the run of the one before is appended to it without a
/// search, so that the usual case is one copy from the packet into the message. Without interleaving a fragment's place is
/// its TSN, among all; with it, its FSN within its message (RFC 8260 section 2.1).
struct Reassembly {
    /// A message that is whole.
    struct Message {
        var stream: UInt16
        var isUnordered: Bool
        /// SSN or MID.
        var number: UInt32
        var protocolIdentifier: UInt32
        var payload: ByteBuffer

        /// What it counts while it is held.
        var size: Int { self.payload.readableBytes + Reassembly.overhead }
    }

    struct Position: Hashable {
        /// 0 for all without interleaving, else stream, order and MID.
        var message: UInt64
        var number: Int
    }

    private struct Run {
        var message: Message
        var start: Position
        var next: Int
        var hasBeginning: Bool
        var hasEnding: Bool

        var end: Position { Position(message: self.start.message, number: self.next) }
    }

    /// What a run counts beyond its payload: so that floods of small fragments fill the window before they fill the memory.
    static let overhead = 192

    private var runs: ContiguousArray<Run?> = []
    private var free: [Int] = []
    /// Runs without an end, but for the active one, by the place of the fragment they wait for.
    private var byNext: [Position: Int] = [:]
    /// Runs without a beginning.
    private var byStart: [Position: Int] = [:]
    /// The run that was last appended to, unless it is whole.
    private var active: Int?
    private var sizeHint = 0
    private let isInterleaving: Bool
    private let maximumMessageSize: Int
    /// What all runs hold, overhead included.
    private(set) var held = 0

    init(isInterleaving: Bool, maximumMessageSize: Int) {
        self.isInterleaving = isInterleaving
        self.maximumMessageSize = maximumMessageSize
    }

    var isEmpty: Bool { self.runs.count == self.free.count }

    /// Takes a fragment that is new. Returns the message that it completes.
    ///
    /// - Parameter cumulative: all up to this TSN, this one perhaps included, has come or was given up.
    mutating func insert(
        _ header: DataChunk.Header,
        tsn: Int,
        _ payload: UnsafeRawBufferPointer,
        cumulative: Int
    ) throws(ProtocolViolation) -> Message? {
        if header.isBeginning, header.isEnding {
            guard payload.count <= self.maximumMessageSize else { throw self.tooLarge }
            return Self.message(header, ByteBuffer(bytes: payload))
        }
        let position = self.position(of: header, tsn)
        guard let index = self.predecessor(position) else {
            // The fragment before was given up.
            if !self.isInterleaving, !header.isBeginning, tsn <= cumulative { return nil }
            return try self.begin(header, position, payload)
        }
        try self.append(header, payload, to: index)
        return try self.settle(index)
    }

    /// Drops what is incomplete and cannot be completed, because the other side has given up all TSNs up to `tsn`.
    ///
    /// What has come beyond may have lost its beginning, too: `cumulative` is the TSN up to which nothing is missing now.
    mutating func skip(to tsn: Int, cumulative: Int) {
        guard !self.isEmpty, !self.isInterleaving else { return }
        for index in self.runs.indices {
            guard let run = self.runs[index] else { continue }
            let isHeadless = !run.hasBeginning && run.start.number <= cumulative
            let isTailless = !run.hasEnding && run.next <= cumulative
            if run.start.number <= tsn || isHeadless || isTailless { self.remove(index) }
        }
    }

    /// The same with interleaving: messages of a stream up to a number.
    mutating func skip(where isGivenUp: (_ stream: UInt16, _ isUnordered: Bool, _ number: UInt32) -> Bool) {
        guard !self.isEmpty else { return }
        for index in self.runs.indices {
            guard let message = self.runs[index]?.message else { continue }
            if isGivenUp(message.stream, message.isUnordered, message.number) { self.remove(index) }
        }
    }

    /// Drops all that is incomplete.
    mutating func removeAll() {
        self = Reassembly(isInterleaving: self.isInterleaving, maximumMessageSize: self.maximumMessageSize)
    }

    private var tooLarge: ProtocolViolation {
        ProtocolViolation(reason: "a message is larger than \(self.maximumMessageSize) bytes")
    }

    private func position(of header: DataChunk.Header, _ tsn: Int) -> Position {
        guard self.isInterleaving else { return Position(message: 0, number: tsn) }
        let message = UInt64(header.stream) << 40 | UInt64(header.isUnordered ? 1 : 0) << 32 | UInt64(header.number)
        return Position(message: message, number: header.isBeginning ? 0 : Int(header.fragment))
    }

    /// The run that waits for the fragment at this place. It becomes the active one.
    private mutating func predecessor(_ position: Position) -> Int? {
        if let active, let run = self.runs[active], run.next == position.number, run.end == position { return active }
        guard let index = self.byNext.removeValue(forKey: position) else { return nil }
        self.activate(index)
        return index
    }

    private mutating func activate(_ index: Int?) {
        if let active, let run = self.runs[active] { self.byNext[run.end] = active }
        self.active = index
    }

    private mutating func append(
        _ header: DataChunk.Header,
        _ payload: UnsafeRawBufferPointer,
        to index: Int
    ) throws(ProtocolViolation) {
        guard var run = self.runs[index] else { return }
        // Fragments of a message have consecutive TSNs (RFC 9260 section 6.9).
        guard !header.isBeginning, self.belongs(header, to: run.message) else {
            throw ProtocolViolation(
                reason: "another message begins before the last fragment of stream \(run.message.stream)"
            )
        }
        self.runs[index] = nil
        run.message.payload.writeBytes(payload)
        run.next += 1
        run.hasEnding = header.isEnding
        self.runs[index] = run
        self.held += payload.count
    }

    private func belongs(_ header: DataChunk.Header, to message: Message) -> Bool {
        header.stream == message.stream && header.isUnordered == message.isUnordered
            && (header.isUnordered || header.number == message.number)
    }

    private mutating func begin(
        _ header: DataChunk.Header,
        _ position: Position,
        _ payload: UnsafeRawBufferPointer
    ) throws(ProtocolViolation) -> Message? {
        var buffer = ByteBuffer()
        // As large as the last, while few are under way: nobody is made to hold much for little.
        let isQuiet = self.runs.count - self.free.count < 4
        buffer.reserveCapacity(isQuiet && header.isBeginning ? max(self.sizeHint, payload.count) : payload.count)
        buffer.writeBytes(payload)
        let run = Run(
            message: Self.message(header, buffer),
            start: position,
            next: position.number + 1,
            hasBeginning: header.isBeginning,
            hasEnding: header.isEnding
        )
        self.held += payload.count + Self.overhead
        let index = self.free.popLast() ?? self.runs.count
        if index == self.runs.count { self.runs.append(run) } else { self.runs[index] = run }
        if !run.hasBeginning { self.byStart[position] = index }
        self.activate(run.hasEnding ? nil : index)
        return try self.settle(index)
    }

    /// Joins a run with the one behind it, and takes it out if it is whole.
    private mutating func settle(_ index: Int) throws(ProtocolViolation) -> Message? {
        if !self.byStart.isEmpty { try self.join(index) }
        guard let run = self.runs[index] else { return nil }
        guard run.message.payload.readableBytes <= self.maximumMessageSize else { throw self.tooLarge }
        guard run.hasEnding else { return nil }
        if self.active == index { self.active = nil }
        guard run.hasBeginning else { return nil }
        self.runs[index] = nil
        self.free.append(index)
        self.held -= run.message.payload.readableBytes + Self.overhead
        self.sizeHint = min(run.message.payload.readableBytes, self.maximumMessageSize)
        return run.message
    }

    private mutating func join(_ index: Int) throws(ProtocolViolation) {
        guard let run = self.runs[index], let next = self.byStart[run.end], let following = self.runs[next] else {
            return
        }
        let header = DataChunk.Header(
            tsn: 0,
            stream: following.message.stream,
            number: following.message.number,
            flags: following.message.isUnordered ? DataChunk.unordered : 0,
            protocolIdentifier: 0,
            fragment: 0
        )
        guard !run.hasEnding, self.belongs(header, to: run.message) else {
            // With interleaving nothing may follow the last fragment; without, another message would begin with a beginning.
            throw ProtocolViolation(
                reason: "a fragment of stream \(following.message.stream) follows the end of a message"
            )
        }
        self.remove(next)
        self.runs[index]?.message.payload.writeImmutableBuffer(following.message.payload)
        self.runs[index]?.next = following.next
        self.runs[index]?.hasEnding = following.hasEnding
        self.held += following.message.payload.readableBytes
    }

    private mutating func remove(_ index: Int) {
        guard let run = self.runs[index] else { return }
        self.runs[index] = nil
        self.free.append(index)
        self.held -= run.message.payload.readableBytes + Self.overhead
        if self.byStart[run.start] == index { self.byStart[run.start] = nil }
        if self.byNext[run.end] == index { self.byNext[run.end] = nil }
        if self.active == index { self.active = nil }
    }

    private static func message(_ header: DataChunk.Header, _ payload: ByteBuffer) -> Message {
        Message(
            stream: header.stream,
            isUnordered: header.isUnordered,
            number: header.number,
            protocolIdentifier: header.protocolIdentifier,
            payload: payload
        )
    }
}
