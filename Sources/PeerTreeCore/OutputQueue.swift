/// What a state machine wants done until its host has taken it: first in, first out. Gives back the memory of a burst
/// once it is drained.
struct OutputQueue<Output> {
    private var storage: [Output] = []
    private var head = 0

    private static var capacityKept: Int { 1024 }

    mutating func append(_ output: Output) {
        storage.append(output)
    }

    mutating func popFirst() -> Output? {
        guard head < storage.count else { return nil }
        let output = storage[head]
        head += 1
        if head == storage.count {
            storage.removeAll(keepingCapacity: storage.capacity <= Self.capacityKept)
            head = 0
        }
        return output
    }
}

extension OutputQueue: Sendable where Output: Sendable {}
