import NIOCore

/// Resetting streams (RFC 6525): this side's on request of its owner, the other side's when it says so.
struct StreamReconfiguration {
    /// Parameters of RE-CONFIG (section 4).
    private enum Parameter {
        static let outgoingReset: UInt16 = 13
        static let incomingReset: UInt16 = 14
        static let allReset: UInt16 = 15
        static let response: UInt16 = 16
        static let addOutgoing: UInt16 = 17
        static let addIncoming: UInt16 = 18
    }

    /// Section 4.4.
    private enum Result {
        static let nothingToDo: UInt32 = 0
        static let performed: UInt32 = 1
        static let denied: UInt32 = 2
        static let wrongStream: UInt32 = 3
        static let alreadyInProgress: UInt32 = 4
        static let badSequenceNumber: UInt32 = 5
        static let inProgress: UInt32 = 6
    }

    /// A request of this side's that has not been answered for good.
    private struct Request {
        var number: UInt32
        var streams: [UInt16]
        var lastTSN: Int
        var isDue = true
        /// The other side waits for what was sent before the request.
        var isDeferred = false
        var timeouts = 0
    }

    /// A request of the other side's that waits for what was sent before it.
    private struct Deferred {
        var number: UInt32
        var streams: [UInt16]
        var lastTSN: Int
    }

    private var wanted: [UInt16] = []
    private var request: Request?
    private var nextNumber: UInt32
    private(set) var deadline: NIODeadline?
    private var expectedNumber: UInt32
    private var lastResult = Result.nothingToDo
    private var deferred: Deferred?
    private var responses: [(number: UInt32, result: UInt32)] = []
    private let incomingStreams: Int

    /// Streams of one request; more wait for its answer.
    private static let maximumStreams = 128
    private static let maximumResponses = 8

    init(local: PeerProfile, remote: PeerProfile) {
        self.nextNumber = local.initialTSN
        self.expectedNumber = remote.initialTSN
        self.incomingStreams = Int(min(local.incomingStreams, remote.outgoingStreams))
    }

    /// Whether something is to be written.
    var isDue: Bool { self.request?.isDue == true || !self.responses.isEmpty }

    // MARK: - This side's streams

    mutating func want(_ streams: [UInt16]) {
        self.wanted += streams
    }

    /// Makes a request of those streams of which everything has arrived: a request that comes before the data it speaks of
    /// has to be put off, and usrsctp then forgets about it until more data comes.
    mutating func prepare(_ sender: DataSender) {
        guard self.request == nil, !self.wanted.isEmpty else { return }
        var ready: [UInt16] = []
        self.wanted.removeAll { stream in
            guard ready.count < Self.maximumStreams else { return false }
            guard sender.isSettled(stream) else { return false }
            ready.append(stream)
            return true
        }
        guard !ready.isEmpty else { return }
        self.request = Request(number: self.nextNumber, streams: ready, lastTSN: sender.chunks.cumulative)
    }

    /// All that was sent before the request has arrived: the other side need not put it off any more.
    mutating func acknowledged(to tsn: Int) {
        guard let request, request.isDeferred, tsn >= request.lastTSN else { return }
        self.request?.isDeferred = false
        self.request?.isDue = true
    }

    mutating func handleTimeout(at now: NIODeadline) {
        guard let deadline, deadline <= now else { return }
        self.deadline = nil
        self.request?.isDue = true
        self.request?.timeouts += 1
    }

    // MARK: - Writing

    mutating func write(into writer: inout PacketWriter, timeout: TimeAmount, at now: NIODeadline) {
        while let response = self.responses.first, writer.room >= 16 {
            self.responses.removeFirst()
            writer.beginChunk(ChunkType.reconfiguration)
            writer.write(Parameter.response)
            writer.write(UInt16(12))
            writer.write(response.number)
            writer.write(response.result)
            writer.endChunk()
        }
        guard let request, request.isDue, writer.room >= 20 + 2 * request.streams.count + 2 else { return }
        writer.beginChunk(ChunkType.reconfiguration)
        let start = writer.count
        writer.write(Parameter.outgoingReset)
        writer.write(UInt16(0))
        writer.write(request.number)
        writer.write(self.expectedNumber &- 1)
        writer.write(UInt32(truncatingIfNeeded: request.lastTSN))
        for stream in request.streams { writer.write(stream) }
        writer.patch(UInt16(truncatingIfNeeded: writer.count - start), at: start + 2)
        writer.endChunk()
        self.request?.isDue = false
        self.deadline = now + timeout * Int64(1 << min(request.timeouts, 4))
    }

    // MARK: - Reading

    /// What a RE-CONFIG chunk changes.
    struct Changes {
        var performed: [UInt16] = []
        var failed: [UInt16] = []
        /// Streams that the other side begins anew; empty in here means all of them.
        var incoming: [UInt16]?
    }

    mutating func handle(_ chunk: Chunk, cumulative: Int) -> Changes {
        var changes = Changes()
        var parameters = ParameterReader(chunk.value)
        while let parameter = parameters.next() {
            switch parameter.type {
            case Parameter.response where parameter.bytes.count >= 12:
                self.take(response: parameter.bytes, &changes)
            case Parameter.outgoingReset where parameter.bytes.count >= 16:
                self.take(reset: parameter.bytes, cumulative: cumulative, &changes)
            case Parameter.incomingReset, Parameter.allReset, Parameter.addOutgoing, Parameter.addIncoming:
                // Data channels use none of them (RFC 8831 section 6.7).
                guard parameter.bytes.count >= 8 else { break }
                self.answer(parameter.bytes.number(at: 4)) { _ in Result.denied }
            default: break
            }
        }
        return changes
    }

    private mutating func take(response bytes: UnsafeRawBufferPointer, _ changes: inout Changes) {
        guard let request, bytes.number(at: 4) == request.number else { return }
        switch bytes.number(at: 8) as UInt32 {
        case Result.nothingToDo, Result.performed:
            changes.performed += request.streams
        case Result.inProgress, Result.alreadyInProgress:
            // Asked again under the same number (section 5.2.7), by the timer or when what it waits for has arrived.
            self.request?.isDeferred = true
            return
        default:
            changes.failed += request.streams
        }
        self.request = nil
        self.deadline = nil
        self.nextNumber &+= 1
    }

    private mutating func take(reset bytes: UnsafeRawBufferPointer, cumulative: Int, _ changes: inout Changes) {
        let number: UInt32 = bytes.number(at: 4)
        let lastTSN = SequenceNumber.unwrap(bytes.number(at: 12), near: cumulative)
        var streams: [UInt16] = []
        for offset in stride(from: 16, to: bytes.count - 1, by: 2) { streams.append(bytes.number(at: offset)) }
        var incoming: [UInt16]?
        self.answer(number) { machine in
            guard streams.allSatisfy({ Int($0) < machine.incomingStreams }) else { return Result.wrongStream }
            guard lastTSN > cumulative else {
                incoming = streams
                return Result.performed
            }
            machine.deferred = Deferred(number: number, streams: streams, lastTSN: lastTSN)
            return Result.inProgress
        }
        if let incoming { changes.incoming = incoming }
    }

    /// Requests come one at a time and are numbered; one that comes again is answered as before (section 5.2.1).
    private mutating func answer(_ number: UInt32, _ perform: (inout StreamReconfiguration) -> UInt32) {
        guard self.responses.count < Self.maximumResponses else { return }
        if number == self.expectedNumber {
            self.deferred = nil
            self.expectedNumber &+= 1
            self.lastResult = perform(&self)
            self.responses.append((number, self.lastResult))
        } else if number == self.expectedNumber &- 1 {
            self.responses.append((number, self.lastResult))
        } else {
            self.responses.append((number, Result.badSequenceNumber))
        }
    }

    /// What was sent before a request that waits may have arrived by now. Returns the streams that begin anew.
    mutating func received(to tsn: Int) -> [UInt16]? {
        guard let deferred, tsn >= deferred.lastTSN else { return nil }
        self.deferred = nil
        self.lastResult = Result.performed
        self.responses.append((deferred.number, Result.performed))
        return deferred.streams
    }

    /// Whether a chunk belongs to what a stream is before a reset that waits. What comes after it has to come again: it
    /// would be taken for the old stream's.
    func isBeforeReset(_ tsn: Int, stream: UInt16) -> Bool {
        guard let deferred, tsn > deferred.lastTSN else { return true }
        return !(deferred.streams.isEmpty || deferred.streams.contains(stream))
    }
}
