#if os(Linux)
import CEpoll
import Glibc

/// Waits for sockets with epoll, level-triggered.
///
/// The generator shares the machine with the server it measures, so it is one thread, one buffer for everything that
/// arrives, and two system calls for a message.
final class Poller {
    private let descriptor: Int32
    private let events = UnsafeMutablePointer<epoll_event>.allocate(capacity: capacity)
    private static let capacity = 512

    init() throws {
        descriptor = epoll_create1(0)
        guard descriptor >= 0 else { throw LoadError("epoll_create1 failed: \(errorText())") }
    }

    /// Watches a socket; `slot` comes back with what happens to it.
    func add(_ socket: Int32, slot: Int, writable: Bool) throws {
        try control(EPOLL_CTL_ADD, socket, slot: slot, writable: writable)
    }

    /// Changes whether room for more output is of interest.
    func change(_ socket: Int32, slot: Int, writable: Bool) throws {
        try control(EPOLL_CTL_MOD, socket, slot: slot, writable: writable)
    }

    private func control(_ operation: Int32, _ socket: Int32, slot: Int, writable: Bool) throws {
        var event = epoll_event()
        event.events = EPOLLIN.rawValue | (writable ? EPOLLOUT.rawValue : 0)
        event.data.u64 = UInt64(slot)
        guard epoll_ctl(descriptor, operation, socket, &event) == 0 else {
            throw LoadError("epoll_ctl failed: \(errorText())")
        }
    }

    /// Calls `body` for every socket that is ready, after at most `milliseconds`.
    func wait(milliseconds: Int32, _ body: (_ slot: Int, _ isWritable: Bool) throws -> Void) throws {
        let count = epoll_wait(descriptor, events, Int32(Self.capacity), milliseconds)
        guard count > 0 else { return }
        for index in 0..<Int(count) {
            let event = events[index]
            try body(Int(event.data.u64), event.events & EPOLLOUT.rawValue != 0)
        }
    }
}

/// What the last failed system call had to say.
func errorText() -> String { String(cString: strerror(errno)) }

/// Nanoseconds on a clock that never jumps.
func nanoseconds() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}
#endif

/// Why a run cannot be made or does not count.
struct LoadError: Error, CustomStringConvertible {
    var description: String

    init(_ description: String) { self.description = description }
}
