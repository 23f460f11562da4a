import JSON
import PeerTreeCore
import PeerTreeSignalling
import TestSupport

/// The kinds of messages, so that no test forgets one.
enum ToTreeKind: CaseIterable {
    case enter, announce, withdraw, release, leave, event, disconnected, asked, held, goingAway

    init(_ message: ToTree) {
        switch message {
        case .enter: self = .enter
        case .announce: self = .announce
        case .withdraw: self = .withdraw
        case .release: self = .release
        case .leave: self = .leave
        case .event: self = .event
        case .disconnected: self = .disconnected
        case .asked: self = .asked
        case .held: self = .held
        case .goingAway: self = .goingAway
        }
    }
}

enum ToGatewayKind: CaseIterable {
    case entered, renewed, answered, refused, waits, released, emit, refuse, probe, left, replaced, treeEnded, hold,
        carryOn, answer

    init(_ message: ToGateway) {
        switch message {
        case .entered: self = .entered
        case .renewed: self = .renewed
        case .answered: self = .answered
        case .refused: self = .refused
        case .waits: self = .waits
        case .released: self = .released
        case .emit: self = .emit
        case .refuse: self = .refuse
        case .probe: self = .probe
        case .left: self = .left
        case .replaced: self = .replaced
        case .treeEnded: self = .treeEnded
        case .hold: self = .hold
        case .carryOn: self = .carryOn
        case .answer: self = .answer
        }
    }
}

/// Messages of all kinds with everything in them that may be, at random.
struct RandomMessages {
    var random: SeededGenerator

    init(seed: UInt64) {
        random = SeededGenerator(seed: seed)
    }

    mutating func toTree(_ kind: ToTreeKind) -> ToTree {
        switch kind {
        case .enter: .enter(entry())
        case .announce: .announce(announcement())
        case .withdraw: .withdraw(tree: name(from: 0), socket: name())
        case .release: .release(member(), for: wish())
        case .leave: .leave(member())
        case .event: .event(member(), event(\.isFromClient), maybe { $0.payload() })
        case .disconnected: .disconnected(member())
        case .asked: .asked(tree: name(from: 0), watcher: watcher(), question())
        case .held: .held(Slot(number: number(UInt16.self)))
        case .goingAway: .goingAway
        }
    }

    mutating func toGateway(_ kind: ToGatewayKind) -> ToGateway {
        switch kind {
        case .entered: .entered(socket: name(), isNative: flag(), token())
        case .renewed: .renewed(member(), token())
        case .answered: .answered(wish(), hasMadeTree: flag())
        case .refused: .refused(wish(), error())
        case .waits: .waits(wish())
        case .released: .released(wish())
        case .emit: .emit(member(), event(\.isFromServer), payload())
        case .refuse: .refuse(member(), event: name(), error())
        case .probe: .probe(member())
        case .left: .left(member())
        case .replaced: .replaced(member())
        case .treeEnded: .treeEnded(tree: name(from: 0))
        case .hold: .hold
        case .carryOn: .carryOn
        case .answer: .answer(watcher: watcher(), answer())
        }
    }

    // MARK: Scalars

    mutating func upTo(_ most: Int, from fewest: Int = 0) -> Int { Int.random(in: fewest...most, using: &random) }

    mutating func flag() -> Bool { Bool.random(using: &random) }

    mutating func maybe<Value>(_ make: (inout RandomMessages) -> Value) -> Value? { flag() ? make(&self) : nil }

    mutating func list<Element>(_ most: Int, _ make: (inout RandomMessages) -> Element) -> [Element] {
        (0..<upTo(most)).map { _ in make(&self) }
    }

    /// Often at one of the ends.
    mutating func number<Number: FixedWidthInteger & UnsignedInteger>(_: Number.Type = UInt64.self) -> Number {
        switch upTo(5) {
        case 0: 0
        case 1: 1
        case 2: .max
        default: Number(truncatingIfNeeded: random.next())
        }
    }

    /// Nobody has 0.
    mutating func memberNumber() -> UInt64 { max(1, number()) }

    mutating func integer() -> Int { flag() ? upTo(20) : Int(truncatingIfNeeded: number() >> 1) }

    mutating func watcher() -> Int { flag() ? upTo(99) : Int(truncatingIfNeeded: random.next()) }

    mutating func measure() -> Double {
        switch upTo(4) {
        case 0: 0
        case 1: .greatestFiniteMagnitude
        case 2: .leastNonzeroMagnitude
        default: Double.random(in: 0..<1e7, using: &random)
        }
    }

    // MARK: Text

    private static let marks = Array("aZ09-_ \"\\/\u{0}\u{1F}\u{7F}äß…𝄞👩‍👩‍👧")

    /// Any text of so many bytes of UTF-8.
    mutating func text(_ count: Int) -> String {
        var text = ""
        while text.utf8.count < count {
            let mark = Self.marks.randomElement(using: &random) ?? "x"
            text.append(text.utf8.count + mark.utf8.count <= count ? mark : "x")
        }
        return text
    }

    mutating func name(from fewest: Int = 1) -> String {
        let lengths = [fewest, 128, upTo(128, from: fewest), 20, 20]
        return text(lengths.randomElement(using: &random) ?? 20)
    }

    mutating func pick(_ count: Int, of alphabet: String) -> String {
        let alphabet = Array(alphabet)
        return String((0..<count).map { _ in alphabet.randomElement(using: &random) ?? "x" })
    }

    mutating func label() -> String { pick(upTo(16, from: 1), of: "abcdefghijklmnopqrstuvwxyz0123456789") }

    mutating func agent() -> String { pick(upTo(48, from: 1), of: "azAZ09 .-/") }

    mutating func error() -> SignallingError {
        SignallingError(code: pick(upTo(32, from: 1), of: "az09-"), message: text(upTo(1_024)))
    }

    // MARK: JSON

    mutating func payload() -> JSONValue { json(depth: upTo(18)) }

    mutating func json(depth: Int) -> JSONValue {
        switch upTo(depth > 0 ? 7 : 3) {
        case 0: .null
        case 1: .bool(flag())
        case 2: .number(jsonNumber())
        case 3: .string(text(upTo(40)))
        case 4: .array(list(4) { $0.json(depth: depth - 1) })
        default: .object(JSONObject(list(4) { ($0.text($0.upTo(12)), $0.json(depth: depth - 1)) }))
        }
    }

    private mutating func jsonNumber() -> Double {
        while true {
            let number = Double(bitPattern: random.next())
            let choices = [number, Double(upTo(1_000)), -0.0, 1e20, 1e21, 1e-7, 0x1p53, Double(integer())]
            if let choice = choices.randomElement(using: &random), choice.isFinite { return choice }
        }
    }

    // MARK: Members

    mutating func wish() -> Wish { Wish(socket: name(), number: number()) }

    mutating func member() -> MemberSocket {
        MemberSocket(tree: name(from: 0), number: memberNumber(), socket: name())
    }

    mutating func event(_ isAllowed: (SignallingName) -> Bool) -> SignallingName {
        SignallingName.allCases.filter(isAllowed).randomElement(using: &random) ?? .status
    }

    // MARK: Entering

    mutating func entry() -> Entry {
        Entry(
            wish: wish(),
            tree: name(from: 0),
            address: maybe { $0.number() },
            request: request(),
            token: maybe { $0.token() }
        )
    }

    mutating func announcement() -> Announcement {
        Announcement(
            socket: name(),
            address: maybe { $0.number() },
            isNative: flag(),
            token: token(),
            place: place(),
            agent: maybe { $0.agent() },
            key: maybe { SourceKey($0.random.bytes(SourceKey.length)) } ?? nil
        )
    }

    mutating func request() -> PeerTreeSignalling.DiscoverRequest {
        let key = maybe { SourceKey($0.random.bytes(SourceKey.length)) } ?? nil
        return PeerTreeSignalling.DiscoverRequest(
            createsTree: flag(),
            treeID: maybe { $0.name(from: 0) },
            isNative: flag(),
            stripes: integer(),
            parity: integer(),
            isEncrypted: flag(),
            key: key,
            proof: key.flatMap { proof($0) },
            capacity: maybe { $0.integer() },
            resumeToken: maybe { $0.text($0.upTo(1_024)) },
            agent: maybe { $0.agent() },
            place: place()
        )
    }

    private mutating func proof(_ key: SourceKey) -> TreeProof? {
        guard flag(), let signature = Signature(random.bytes(Signature.length)) else { return nil }
        return TreeProof(key: key, signature: signature, host: name(from: 0))
    }

    mutating func place() -> ClaimedPlace {
        let stripes = Array(0..<20).shuffled(using: &random).prefix(upTo(16))
        var parents: [Int: ClaimedPlace.Parent] = [:]
        for stripe in stripes {
            let neighbour = maybe { $0.neighbour(stripe) }
            parents[stripe] = ClaimedPlace.Parent(
                neighbour: neighbour,
                epoch: number(UInt32.self),
                isSource: neighbour != nil && flag()
            )
        }
        return ClaimedPlace(parents: parents, children: list(flag() ? 3 : 60) { $0.child() })
    }

    private mutating func neighbour(_ stripe: Int) -> ClaimedPlace.Neighbour {
        ClaimedPlace.Neighbour(stripe: stripe, id: name(), sessionID: maybe { $0.name(from: 0) })
    }

    private mutating func child() -> ClaimedPlace.Neighbour {
        ClaimedPlace.Neighbour(
            stripe: integer(),
            id: name(),
            sessionID: maybe { $0.name(from: 0) },
            isWhole: flag()
        )
    }

    mutating func token() -> ResumeToken {
        ResumeToken(
            term: SlotTerm(incarnation: Int64(number() >> 1), revision: Int64(number() >> 1)),
            number: memberNumber(),
            expiry: number(UInt32.self),
            isSource: flag(),
            isEncrypted: flag(),
            layout: StripeLayout(stripes: upTo(16, from: 1), parity: upTo(1)),
            interiorStripe: maybe { UInt8($0.upTo(15)) },
            capacity: number(UInt16.self),
            sourceCapacity: number(UInt16.self),
            treeID: name(from: 0),
            ids: list(4) { $0.name(from: 0) }
        )
    }

    // MARK: Dashboards

    mutating func question() -> DashboardQuestion {
        switch upTo(3) {
        case 0: .watch(tree: name(from: 0))
        case 1: .look
        case 2: .unwatch
        default: .shape(tree: name(from: 0))
        }
    }

    mutating func answer() -> DashboardAnswer {
        switch upTo(3) {
        case 0: .watching(welcome())
        case 1: .changes(changes())
        case 2: .shape(shape())
        default: .refused(error())
        }
    }

    private mutating func welcome() -> DashboardWelcome {
        DashboardWelcome(treeID: name(from: 0), source: label(), stripes: upTo(16), k: integer(), k1: integer())
    }

    private mutating func parents() -> [String?] { list(16) { messages in messages.maybe { $0.label() } } }

    mutating func changes() -> DashboardChanges {
        var activity = TreeActivity()
        activity.joins = number()
        activity.leaves = number()
        activity.repairs = number()
        activity.moves = number()
        activity.forgeries = number()
        return DashboardChanges(
            sequence: number(),
            peers: list(5) { $0.changedPeer() },
            gone: list(9) { $0.label() },
            isComplete: flag(),
            isOver: flag(),
            viewers: integer(),
            activity: activity
        )
    }

    mutating func changedPeer() -> DashboardChanges.Peer {
        DashboardChanges.Peer(
            label: label(),
            parents: parents(),
            isAttached: flag(),
            isNative: flag(),
            isConnected: flag(),
            report: PeerReport(
                rate: maybe { $0.measure() },
                lag: maybe { $0.measure() },
                roundTrip: maybe { $0.measure() },
                agent: maybe { $0.agent() }
            )
        )
    }

    mutating func shape() -> TreeShape {
        TreeShape(
            source: label(),
            stripes: upTo(16),
            parity: upTo(1),
            viewers: integer(),
            depth: integer(),
            peers: list(5) { $0.shapePeer() }
        )
    }

    private mutating func shapePeer() -> TreeShape.Peer {
        TreeShape.Peer(
            label: label(),
            parents: parents(),
            depth: integer(),
            isNative: flag(),
            isConnected: flag()
        )
    }
}
