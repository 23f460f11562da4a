/// A first-in, first-out queue for the outputs of a state machine.
///
/// An idle state machine should hold no memory for its outputs, and a busy one should not allocate for each: the
/// storage is given back only when a burst has made it large. Public, since the compiler specialises for other targets only
/// what is: unspecialised, a queue costs several times as much.
public struct OutputQueue<Element> {
    @usableFromInline var elements: [Element] = []
    @usableFromInline var head = 0
    @usableFromInline let keptCapacity: Int

    /// An empty queue.
    ///
    /// - Parameter keptCapacity: outputs for which an empty queue keeps the memory. Default 4.
    @inlinable public init(keptCapacity: Int = 4) { self.keptCapacity = keptCapacity }

    /// Adds an output behind all others.
    @inlinable public mutating func append(_ element: Element) { elements.append(element) }

    /// Takes the oldest output; nil when there is none.
    @inlinable public mutating func next() -> Element? {
        guard head < elements.count else {
            // Most questions find nothing to say and nothing to forget.
            if head > 0 { forget() }
            return nil
        }
        defer { head += 1 }
        return elements[head]
    }
}

extension OutputQueue {
    @inlinable mutating func forget() {
        elements.removeAll(keepingCapacity: elements.capacity <= keptCapacity)
        head = 0
    }
}

extension OutputQueue: Sendable where Element: Sendable {}
