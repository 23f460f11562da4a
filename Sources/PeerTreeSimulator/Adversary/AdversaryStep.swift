import TestSupport

/// A number that an adversary puts into a frame: from what its victim knows, or from where arithmetic ends.
package struct HostileNumber: Equatable, Sendable {
    /// What the offset is counted from.
    package enum Base: String, CaseIterable, Sendable {
        case zero
        /// The victim's frontier.
        case frontier
        /// The oldest number in the victim's replay buffer.
        case start
        /// One past the newest number there.
        case end
        /// The first number that no frame may carry.
        case limit
        case max
    }

    var base: Base
    var offset: Int64

    static let zero = HostileNumber(base: .zero, offset: 0)

    /// Offsets at which something changes: window, replay buffer, credit, words.
    private static let offsets: [Int64] = [
        0, 0, 0, 1, -1, 2, 16, 63, 64, 65, 255, 256, 1_023, 1_024, 1_025, 4_096, 16_383, 16_384, 16_385, 65_536,
        1 << 31,
        1 << 32, 1 << 40, -16, -64, -1_024, -16_384,
    ]

    static func random(_ random: inout SeededGenerator) -> HostileNumber {
        // Near the victim's own position most of the time: anything else is refused at once.
        let isNear = Int.random(in: 0..<4, using: &random) > 0
        let near: [Base] = [.frontier, .end, .start]
        let base = (isNear ? near.randomElement(using: &random) : Base.allCases.randomElement(using: &random)) ?? .zero
        let offset = offsets.randomElement(using: &random) ?? 0
        return HostileNumber(base: base, offset: base == .limit || base == .max ? -abs(offset) : offset)
    }
}

/// A frame that an adversary sends: well-formed, whatever it says.
package struct HostileFrame: Equatable, Sendable {
    package enum Kind: String, CaseIterable, Sendable {
        case chunk, subscribe, subscribed, unsubscribe, credit, request, unavailable, skip, heartbeat, close, inquire
        case head, restart, stream, pulling, pulse
        /// One of ``EarlierStream/frames``, from the one with the number of its marks on.
        case earlier
    }

    var kind: Kind
    var stripe: UInt8 = 0
    /// The frame's numbers in their order on the wire; not every kind has three.
    var numbers: [HostileNumber] = [.zero, .zero, .zero]
    /// Flags, policy or reason.
    var marks: UInt32 = 0
    /// Length of a payload, window, or count of ranges.
    var size: UInt32 = 0

    static func random(_ random: inout SeededGenerator, stripes: Int) -> HostileFrame {
        var frame = HostileFrame(kind: Kind.allCases.randomElement(using: &random) ?? .chunk)
        if Int.random(in: 0..<4, using: &random) == 0 { frame.kind = .chunk }
        frame.stripe = UInt8.random(in: 0..<UInt8(stripes), using: &random)
        frame.numbers = (0..<3).map { _ in HostileNumber.random(&random) }
        frame.marks = UInt32.random(in: 0..<64, using: &random)
        if frame.kind == .chunk, Bool.random(using: &random) {
            // A whole message of one chunk, as most are.
            frame.numbers[1] = .zero
            frame.marks = 3 | (frame.marks & 0b1100)
        }
        frame.size = [0, 1, 20, 31, 1_000, 16_352].randomElement(using: &random) ?? 0
        return frame
    }
}

/// One thing that an adversary does. `member` is one of the clients that it plays.
package enum AdversaryStep: Equatable, Sendable {
    /// Which of a member's neighbours a frame goes to.
    package enum Target: String, CaseIterable, Sendable {
        case parent, child, anyone
    }

    /// Lets so many milliseconds pass.
    case wait(Int)
    /// Joins, offering so many slots; a member that is in the tree discovers it again.
    case join(member: Int, capacity: Int)
    case leave(member: Int)
    /// Ends without a word.
    case vanish(member: Int)
    /// Loses its signalling for so many milliseconds.
    case blip(member: Int, Int)
    /// Answers offers, or lets children wait.
    case accept(member: Int, Bool)
    /// Offers itself to its parent once more, and opens a channel that its own peer knows nothing of, or never finishes.
    case offer(member: Int, opens: Bool)
    /// Holds back the frames of its own peer whose type has a bit in this set; bit 0 is for chunks.
    case hold(member: Int, UInt16)
    /// Overwrites the payloads that it passes on.
    case forge(member: Int, Bool)
    /// Complains about its parent.
    case complain(member: Int, reason: UInt8)
    /// Says that it lost a child, whether it had it or not.
    case denounce(member: Int, client: Int)
    /// Sends a frame to its `which`-th neighbour of a kind, so many times; in each the first number is one higher.
    case send(member: Int, to: Target, which: Int, times: Int, HostileFrame)
}
