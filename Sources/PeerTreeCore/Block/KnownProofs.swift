/// What a source signs, and its signature.
///
/// The signature is a part of it: a true statement under another one would be passed on and be found false below.
struct Proof: Equatable {
    let statement: SourceStatement
    let signature: Signature

    /// Whether a source that signs both says two things about one block.
    func contradicts(_ other: Proof) -> Bool {
        guard case .block(let one, _) = statement, case .block(let another, _) = other.statement else { return false }
        return one.streamID == another.streamID && one.number == another.number && statement != other.statement
    }
}

/// What the host has found out about the newest statements that came: by what was signed, never by a block's number.
struct KnownProofs {
    enum Verdict {
        /// The host is looking at it.
        case asked(UInt64)
        /// The source signed it.
        case proven
        /// So it did, and another of the same number before.
        case contradicted
        /// It did not.
        case forged
    }

    private var entries: [(proof: Proof, verdict: Verdict)] = []
    private var nextTicket: UInt64 = 1

    /// So many are remembered; a link has one looked at at a time.
    private static var maximum: Int { 256 }

    /// What is known of a statement; nil if nothing is.
    func verdict(of proof: Proof?) -> Verdict? {
        guard let proof else { return nil }
        return entries.last { $0.proof == proof }?.verdict
    }

    /// Has a statement checked.
    ///
    /// - Returns: by what the answer is known.
    mutating func ask(_ proof: Proof) -> UInt64 {
        defer { nextTicket += 1 }
        if entries.count >= Self.maximum, let oldest = entries.firstIndex(where: { !$0.verdict.isOpen }) {
            entries.remove(at: oldest)
        }
        entries.append((proof, .asked(nextTicket)))
        return nextTicket
    }

    mutating func answered(_ ticket: UInt64, _ isTrue: Bool) {
        guard let index = entries.firstIndex(where: { $0.verdict == .asked(ticket) }) else { return }
        let proof = entries[index].proof
        let isContradicted = entries.contains { $0.verdict == .proven && $0.proof.contradicts(proof) }
        entries[index].verdict = !isTrue ? .forged : isContradicted ? .contradicted : .proven
    }
}

extension KnownProofs.Verdict: Equatable {
    var isOpen: Bool {
        if case .asked = self { true } else { false }
    }
}
