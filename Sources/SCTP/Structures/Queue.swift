/// First in, first out, in one block of memory that doubles. For plain values: what has been taken out is not cleared.
struct Queue<Element: BitwiseCopyable> {
    private var storage: ContiguousArray<Element> = []
    private var head = 0
    private(set) var count = 0

    private static var minimumCapacity: Int { 16 }
    /// An empty queue that has been longer than this gives its memory back.
    private static var keptCapacity: Int { 1_024 }

    var isEmpty: Bool { self.count == 0 }
    var first: Element? { self.count == 0 ? nil : self.storage[self.head] }

    /// The element so many places behind the first.
    subscript(_ index: Int) -> Element {
        get { self.storage[(self.head + index) & (self.storage.count - 1)] }
        set { self.storage[(self.head + index) & (self.storage.count - 1)] = newValue }
    }

    mutating func append(_ element: Element) {
        if self.count == self.storage.count { self.grow(with: element) }
        self.storage[(self.head + self.count) & (self.storage.count - 1)] = element
        self.count += 1
    }

    mutating func removeFirst() {
        guard self.count > 0 else { return }
        self.head = (self.head + 1) & (self.storage.count - 1)
        self.count -= 1
        if self.count == 0, self.storage.count > Self.keptCapacity { self.removeAll() }
    }

    mutating func removeAll() {
        self = Queue()
    }

    private mutating func grow(with filler: Element) {
        let capacity = max(Self.minimumCapacity, self.storage.count * 2)
        var grown = ContiguousArray<Element>()
        grown.reserveCapacity(capacity)
        for index in 0..<self.count { grown.append(self[index]) }
        for _ in self.count..<capacity { grown.append(filler) }
        self.storage = grown
        self.head = 0
    }
}
