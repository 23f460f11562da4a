import PeerTreeCore

/// A script as lines of words: first the world, then a step a line. A line that begins with # is a remark.
extension AdversaryScript {
    /// The script as text.
    package var text: String {
        let policies = ["lossless", "paced", "live"]
        let world =
            [
                "world", policies[Int(policy.rawValue)], "\(stripes)", "\(viewers)", "\(k)", "\(k1)",
                "\(isEarly ? 1 : 0)",
                "\(seed)",
            ] + (isSigned ? ["signed"] : [])
        return ([world] + steps.map(\.words)).map { $0.joined(separator: " ") }.joined(separator: "\n") + "\n"
    }

    /// Reads a script; nil if a line is not understood.
    package init?(text: String) {
        let lines = text.split(separator: "\n").filter { !$0.hasPrefix("#") }
            .map { $0.split(separator: " ").map(String.init) }
        guard let world = lines.first, 8...9 ~= world.count, world[0] == "world" else { return nil }
        let policies: [String: StreamPolicy] = ["lossless": .lossless, "paced": .paced, "live": .live]
        guard let policy = policies[world[1]], let stripes = Int(world[2]), let viewers = Int(world[3]),
            let k = Int(world[4]), let k1 = Int(world[5]), let seed = UInt64(world[7]),
            (1...5).contains(stripes), (1...64).contains(viewers), (0...64).contains(k), (stripes...64).contains(k1)
        else { return nil }
        self.init()
        self.policy = policy
        self.stripes = stripes
        self.viewers = viewers
        self.k = k
        self.k1 = k1
        self.isEarly = world[6] == "1"
        self.seed = seed
        isSigned = world.last == "signed"
        for line in lines.dropFirst() {
            guard let step = AdversaryStep(words: line) else { return nil }
            steps.append(step)
        }
    }
}

extension AdversaryStep {
    fileprivate var words: [String] {
        switch self {
        case .wait(let span): ["wait", "\(span)"]
        case .join(let member, let capacity): ["join", "\(member)", "\(capacity)"]
        case .leave(let member): ["leave", "\(member)"]
        case .vanish(let member): ["vanish", "\(member)"]
        case .blip(let member, let span): ["blip", "\(member)", "\(span)"]
        case .accept(let member, let isOn): ["accept", "\(member)", isOn ? "1" : "0"]
        case .offer(let member, let opens): ["offer", "\(member)", opens ? "1" : "0"]
        case .hold(let member, let types): ["hold", "\(member)", "\(types)"]
        case .forge(let member, let isOn): ["forge", "\(member)", isOn ? "1" : "0"]
        case .complain(let member, let reason): ["complain", "\(member)", "\(reason)"]
        case .denounce(let member, let client): ["denounce", "\(member)", "\(client)"]
        case .send(let member, let target, let which, let times, let frame):
            ["send", "\(member)", target.rawValue, "\(which)", "\(times)", frame.kind.rawValue, "\(frame.stripe)"]
                + frame.numbers.map(\.word) + ["\(frame.marks)", "\(frame.size)"]
        }
    }

    fileprivate init?(words: [String]) {
        let numbers = words.dropFirst().map { Int($0) }
        switch (words.first, numbers.count) {
        case ("wait", 1):
            guard let span = numbers[0] else { return nil }
            self = .wait(span)
        case ("send", 11): self.init(sending: words)
        case (let verb?, 1...2):
            guard let member = numbers[0], (0..<AdversaryScript.maximumMembers).contains(member) else { return nil }
            self.init(verb, member, numbers.count == 2 ? numbers[1] : 0)
        default: return nil
        }
    }

    private init?(_ verb: String, _ member: Int, _ value: Int?) {
        guard let value, value >= 0 else { return nil }
        switch verb {
        case "join": self = .join(member: member, capacity: value)
        case "leave": self = .leave(member: member)
        case "vanish": self = .vanish(member: member)
        case "blip": self = .blip(member: member, value)
        case "accept": self = .accept(member: member, value == 1)
        case "offer": self = .offer(member: member, opens: value == 1)
        case "hold": self = .hold(member: member, UInt16(truncatingIfNeeded: value))
        case "forge": self = .forge(member: member, value == 1)
        case "complain": self = .complain(member: member, reason: UInt8(truncatingIfNeeded: value))
        case "denounce": self = .denounce(member: member, client: value)
        default: return nil
        }
    }

    private init?(sending words: [String]) {
        guard let member = Int(words[1]), (0..<AdversaryScript.maximumMembers).contains(member),
            let target = Target(rawValue: words[2]), let which = Int(words[3]), let times = Int(words[4]),
            (0...10_000).contains(times), which >= 0, let kind = HostileFrame.Kind(rawValue: words[5]),
            let stripe = UInt8(words[6]), let marks = UInt32(words[10]), let size = UInt32(words[11])
        else { return nil }
        let numbers = words[7...9].compactMap { HostileNumber(word: $0) }
        guard numbers.count == 3 else { return nil }
        let frame = HostileFrame(kind: kind, stripe: stripe, numbers: numbers, marks: marks, size: size)
        self = .send(member: member, to: target, which: which, times: times, frame)
    }
}

extension HostileNumber {
    fileprivate var word: String {
        offset == 0 ? base.rawValue : "\(base.rawValue)\(offset < 0 ? "" : "+")\(offset)"
    }

    fileprivate init?(word: String) {
        let name = word.prefix { $0.isLetter }
        guard let base = Base(rawValue: String(name)) else { return nil }
        let rest = word.dropFirst(name.count)
        guard let offset = rest.isEmpty ? 0 : Int64(rest) else { return nil }
        self.init(base: base, offset: offset)
    }
}
