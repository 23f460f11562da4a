/// A first-in, first-out queue for the outputs of a state machine.
///
/// An idle state machine should hold no memory for its outputs, and a busy one should not allocate for each: the
/// storage is given back only when a burst has made it large.
package struct OutputQueue<Element> {
    private var elements: [Element] = []
    private var head = 0

    package init() {}

    package mutating func append(_ element: Element) { elements.append(element) }

    package mutating func next() -> Element? {
        guard head < elements.count else {
            elements.removeAll(keepingCapacity: elements.capacity <= 4)
            head = 0
            return nil
        }
        defer { head += 1 }
        return elements[head]
    }
}
