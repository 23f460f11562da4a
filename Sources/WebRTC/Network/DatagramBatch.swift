import CDatagram

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// Outgoing datagrams of one tick, back to back in one piece of memory. Neighbours of equal size to the same
/// destination form a run, which UDP GSO sends as one.
struct DatagramBatch: ~Copyable {
    enum SendResult {
        case sent(datagrams: Int, bytes: Int)
        case wouldBlock
        case segmentationRefused
        case failed(datagrams: Int)
    }

    /// Datagrams to one destination, all `segmentSize` bytes long but for the last, which may be shorter.
    private struct Run {
        var offset: Int
        var length: Int
        var segmentSize: Int
        var lastSize: Int
        var destination: TransportAddress
        var count: Int { self.segmentSize == 0 ? 1 : (self.length + self.segmentSize - 1) / self.segmentSize }
    }

    #if os(Linux)
    /// Laid out as struct mmsghdr of <sys/socket.h>.
    private struct MessageHeader {
        var header = msghdr()
        var length: UInt32 = 0
    }
    #endif

    private static let capacity = 512 * 1024
    /// What one UDP send may carry (a UDP length field's worth) and into how many datagrams the kernel cuts it.
    private static let maximumRunLength = 65_000
    private static let maximumRunCount = 64
    /// Messages in one `sendmmsg`.
    private static let messagesPerCall = 32
    private static let controlSize = 24

    private let slab: UnsafeMutableRawPointer
    private var used = 0
    private var runs: [Run] = []
    /// Runs before this one have been sent.
    private var next = 0
    #if os(Linux)
    private let headers: UnsafeMutablePointer<MessageHeader>
    #endif
    private let vectors: UnsafeMutablePointer<iovec>
    private let names: UnsafeMutablePointer<sockaddr_storage>
    private let control: UnsafeMutableRawPointer

    init() {
        self.slab = .allocate(byteCount: Self.capacity, alignment: 16)
        self.vectors = .allocate(capacity: Self.messagesPerCall)
        self.vectors.initialize(repeating: iovec(), count: Self.messagesPerCall)
        self.names = .allocate(capacity: Self.messagesPerCall)
        self.names.initialize(repeating: sockaddr_storage(), count: Self.messagesPerCall)
        self.control = .allocate(byteCount: Self.messagesPerCall * Self.controlSize, alignment: 16)
        #if os(Linux)
        self.headers = .allocate(capacity: Self.messagesPerCall)
        self.headers.initialize(repeating: MessageHeader(), count: Self.messagesPerCall)
        #endif
    }

    deinit {
        self.slab.deallocate()
        self.vectors.deallocate()
        self.names.deallocate()
        self.control.deallocate()
        #if os(Linux)
        self.headers.deallocate()
        #endif
    }

    var isEmpty: Bool { self.next == self.runs.count }

    /// Adds a datagram: a header if there is one, what it is for, and so many zeroes. False when there is no room.
    mutating func append(
        _ datagram: UnsafeRawBufferPointer,
        behind header: UnsafeRawBufferPointer,
        padding: Int,
        to destination: TransportAddress
    ) -> Bool {
        let size = header.count + datagram.count + padding
        guard size > 0 else { return true }
        guard self.used + size <= Self.capacity else { return false }
        let target = UnsafeMutableRawBufferPointer(start: self.slab + self.used, count: size)
        target.copyMemory(from: header)
        UnsafeMutableRawBufferPointer(rebasing: target[header.count...]).copyMemory(from: datagram)
        for index in (size - padding)..<size { target[index] = 0 }
        let last = self.runs.count - 1
        if last >= self.next, self.runs[last].destination == destination,
            self.runs[last].lastSize == self.runs[last].segmentSize,
            size <= self.runs[last].segmentSize,
            self.runs[last].length + size <= Self.maximumRunLength,
            self.runs[last].count < Self.maximumRunCount
        {
            self.runs[last].length += size
            self.runs[last].lastSize = size
        } else {
            let run = Run(
                offset: self.used,
                length: size,
                segmentSize: size,
                lastSize: size,
                destination: destination
            )
            self.runs.append(run)
        }
        self.used += size
        return true
    }

    private mutating func reset() {
        self.runs.removeAll(keepingCapacity: true)
        self.next = 0
        self.used = 0
    }

    #if os(Linux)
    /// Sends some of what is left; nil when nothing is. Call again until then.
    mutating func send(on descriptor: Int32, segmented: Bool) -> SendResult? {
        guard !self.isEmpty else {
            self.reset()
            return nil
        }
        if !segmented, self.runs[self.next].count > 1 { self.splitRuns() }
        let count = min(self.runs.count - self.next, Self.messagesPerCall)
        for index in 0..<count { self.prepare(index, self.runs[self.next + index]) }
        var sent = pt_sendmmsg(descriptor, self.headers, UInt32(count))
        while sent < 0, errno == EINTR { sent = pt_sendmmsg(descriptor, self.headers, UInt32(count)) }
        if sent > 0 {
            let done = self.runs[self.next..<(self.next + Int(sent))]
            self.next += Int(sent)
            return .sent(
                datagrams: done.reduce(0) { $0 + $1.count },
                bytes: done.reduce(0) { $0 + $1.length }
            )
        }
        let error = errno
        if error == EAGAIN || error == EWOULDBLOCK || error == ENOBUFS { return .wouldBlock }
        let run = self.runs[self.next]
        if run.count > 1, error == EIO || error == EINVAL || error == EOPNOTSUPP || error == EMSGSIZE {
            return .segmentationRefused
        }
        self.next += 1
        return .failed(datagrams: run.count)
    }

    private func prepare(_ index: Int, _ run: Run) {
        self.vectors[index] = iovec(iov_base: self.slab + run.offset, iov_len: run.length)
        let nameLength = run.destination.write(to: &self.names[index])
        var message = msghdr()
        message.msg_name = UnsafeMutableRawPointer(self.names + index)
        message.msg_namelen = nameLength
        message.msg_iov = self.vectors + index
        message.msg_iovlen = 1
        if run.count > 1 {
            // struct cmsghdr { size_t len; int level; int type; } and a 16-bit segment size, padded to 24 bytes.
            let bytes = self.control + index * Self.controlSize
            bytes.storeBytes(of: 18, as: Int.self)
            bytes.storeBytes(of: Int32(IPPROTO_UDP), toByteOffset: 8, as: Int32.self)
            bytes.storeBytes(of: Self.udpSegment, toByteOffset: 12, as: Int32.self)
            bytes.storeBytes(of: UInt16(truncatingIfNeeded: run.segmentSize), toByteOffset: 16, as: UInt16.self)
            message.msg_control = bytes
            message.msg_controllen = Self.controlSize
        }
        self.headers[index] = MessageHeader(header: message)
    }

    /// UDP_SEGMENT of <linux/udp.h>.
    private static let udpSegment: Int32 = 103
    #else
    /// Sends the next datagram; nil when nothing is left. Call again until then.
    mutating func send(on descriptor: Int32, segmented: Bool) -> SendResult? {
        guard !self.isEmpty else {
            self.reset()
            return nil
        }
        if self.runs[self.next].count > 1 { self.splitRuns() }
        let run = self.runs[self.next]
        let length = run.destination.write(to: &self.names[0])
        let sent = self.names.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            sendto(descriptor, self.slab + run.offset, run.length, 0, $0, length)
        }
        if sent < 0, errno == EAGAIN || errno == ENOBUFS { return .wouldBlock }
        self.next += 1
        return sent < 0 ? .failed(datagrams: 1) : .sent(datagrams: 1, bytes: run.length)
    }
    #endif

    /// Makes every datagram a run of its own.
    private mutating func splitRuns() {
        var split: [Run] = []
        for run in self.runs[self.next...] {
            var offset = 0
            while offset < run.length {
                let size = min(run.segmentSize, run.length - offset)
                split.append(
                    Run(
                        offset: run.offset + offset,
                        length: size,
                        segmentSize: size,
                        lastSize: size,
                        destination: run.destination
                    )
                )
                offset += size
            }
        }
        self.runs = split
        self.next = 0
    }
}
