/// An offer or answer, as it travels through signalling (W3C `RTCSessionDescription`).
public struct SessionDescription: Hashable, Sendable {
    /// Which half of the exchange it is.
    public enum DescriptionType: String, Hashable, Sendable {
        /// The first half.
        case offer
        /// The second half.
        case answer
    }

    /// Which half of the exchange it is.
    public var type: DescriptionType
    /// The description itself (RFC 8866).
    public var sdp: String

    /// A description received by signalling.
    public init(type: DescriptionType, sdp: String) {
        self.type = type
        self.sdp = sdp
    }
}

/// A trickled candidate, as it travels through signalling (W3C `RTCIceCandidateInit`).
public struct IceCandidate: Hashable, Sendable {
    /// `candidate:…`, or the empty string for the end of candidates.
    public var candidate: String
    /// The media section it belongs to, by identification tag.
    public var sdpMid: String?
    /// The media section it belongs to, by position.
    public var sdpMLineIndex: Int?

    /// A candidate received by signalling.
    public init(candidate: String, sdpMid: String? = nil, sdpMLineIndex: Int? = nil) {
        self.candidate = candidate
        self.sdpMid = sdpMid
        self.sdpMLineIndex = sdpMLineIndex
    }
}

/// What is wrong with a session description, and where.
public struct SDPError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What was wrong or missing.
    public let reason: String
    /// The offending line as received (at most 120 characters), or nil when something is missing altogether.
    public let line: String?
    /// Its number, counted from 1.
    public let lineNumber: Int?

    init(_ reason: String, line: Substring? = nil, number: Int? = nil) {
        self.reason = reason
        self.line = line.map { String($0.prefix(120)) }
        self.lineNumber = number
    }

    /// The reason with the line.
    public var description: String {
        guard let line, let lineNumber else { return "SDP: \(self.reason)" }
        return "SDP line \(lineNumber): \(self.reason): \(line)"
    }
}

/// What a session description says about data channels: everything else in it is of no concern here.
struct DataSessionDescription: Equatable, Sendable {
    /// Who opens the DTLS connection (RFC 8842).
    enum Setup: String, Sendable {
        case active
        case passive
        case actpass
    }

    /// One hash of the peer's certificate (RFC 8122).
    struct Fingerprint: Hashable, Sendable {
        /// In lower case: `sha-256`.
        var algorithm: String
        var bytes: [UInt8]
    }

    /// A media section, as far as an answer must repeat it.
    struct Section: Equatable, Sendable {
        var kind: String
        var transport: String
        var formats: String
        var mid: String?
    }

    var sections: [Section] = []
    /// Which of the sections is the data channels'.
    var dataSection = 0
    var usernameFragment = ""
    var password = ""
    var fingerprints: [Fingerprint] = []
    var setup = Setup.actpass
    var sctpPort: UInt16 = 5000
    /// The largest message the writer of the description can receive; nil when there is no limit (RFC 8841 section 6).
    var maximumMessageSize: Int? = 65_536
    var candidates: [ICECandidate] = []
    /// Candidates whose address must be looked up first.
    var hostNames: [HostNameCandidate] = []
    var isComplete = false
    var supportsTrickle = false

    var mid: String? { self.sections.indices.contains(self.dataSection) ? self.sections[self.dataSection].mid : nil }
}
