/// What a neighbour wants to have again, and what that may cost.
///
/// Each number is sent once, however often it is asked for meanwhile. The bytes come out of a bucket that fills at the
/// stream's own rate and holds what the replay buffer does: enough for whoever lost something, and no more than the stream
/// once again for whoever asks for everything over and over. What is asked for while the bucket is empty waits; there are
/// at most ``maximumRanges`` ranges that do.
struct PendingRequests {
    /// In order, apart from each other.
    private(set) var ranges: [SequenceRange] = []
    /// Bytes that may be sent; below zero by what the last chunk took too much.
    private var balance: Int?
    private var filledAt = Instant.zero

    /// So many ranges wait at most.
    static var maximumRanges: Int { 4 * ControlFrame.maximumRanges }

    var isEmpty: Bool { ranges.isEmpty }

    mutating func removeAll() {
        ranges.removeAll()
    }

    /// Takes a request, together with what overlaps or touches it.
    ///
    /// - Returns: whether there was room for it.
    mutating func add(_ range: SequenceRange) -> Bool {
        guard range.start < range.end else { return true }
        let first = ranges.firstIndex { $0.end >= range.start } ?? ranges.count
        let last = ranges[first...].firstIndex { $0.start > range.end } ?? ranges.count
        guard first < last else {
            guard ranges.count < Self.maximumRanges else { return false }
            ranges.insert(range, at: first)
            return true
        }
        let start = min(range.start, ranges[first].start)
        let end = max(range.end, ranges[last - 1].end)
        ranges.replaceSubrange(first..<last, with: CollectionOfOne(SequenceRange(start: start, end: end)))
        return true
    }

    /// Lets the bucket fill.
    ///
    /// - Parameters:
    ///   - rate: bytes a second.
    ///   - capacity: the most bytes in it; a new neighbour has them at once.
    mutating func fill(rate: UInt64, capacity: Int, at now: Instant) {
        guard let balance else {
            filledAt = now
            self.balance = capacity
            return
        }
        // Whole bytes only: however often this is called, the rest counts the next time.
        let fresh = (Double(rate) * Double((now - filledAt).nanoseconds) / 1e9).rounded(.down)
        guard fresh >= 1 else { return }
        filledAt = min(now, filledAt + TimeSpan(nanoseconds: UInt64(min(fresh / Double(rate) * 1e9, 9e18))))
        self.balance = Int(min(Double(balance) + fresh, Double(capacity)))
    }

    /// When the bucket has something in it again; never, if it has.
    ///
    /// - Parameter rate: as in ``fill(rate:capacity:at:)``, above zero.
    func deadline(rate: UInt64) -> Instant {
        guard let balance, balance <= 0 else { return .distantFuture }
        let wait = (Double(1 - balance) / Double(max(1, rate)) * 1e9).rounded(.up) + 1
        return filledAt + TimeSpan(nanoseconds: UInt64(min(wait, 9e18)))
    }

    /// Pays for something that is sent again without having been asked for by number.
    ///
    /// - Returns: whether it can be paid.
    mutating func pay(_ bytes: Int) -> Bool {
        guard let balance, balance > 0 else { return false }
        self.balance = balance - bytes
        return true
    }

    /// The next number to be sent, if it can be paid.
    var next: UInt64? {
        guard let balance, balance > 0 else { return nil }
        return ranges.first?.start
    }

    /// The next number was sent, in so many bytes; or is not held any more, and costs nothing.
    mutating func spend(_ bytes: Int) {
        if let balance { self.balance = balance - bytes }
        guard let range = ranges.first else { return }
        if range.start + 1 < range.end {
            ranges[0].start += 1
        } else {
            ranges.removeFirst()
        }
    }
}
