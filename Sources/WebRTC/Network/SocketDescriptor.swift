#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// The number of an open socket, for as long as this object lives and not a moment longer: whoever lets go of the
/// object cannot use the number any more, which the system may have given to somebody else.
final class SocketDescriptor: Sendable {
    let number: Int32

    /// Takes an open descriptor over.
    init(owning number: Int32) {
        self.number = number
    }

    deinit {
        #if canImport(Glibc)
        _ = Glibc.close(self.number)
        #elseif canImport(Musl)
        _ = Musl.close(self.number)
        #else
        _ = Darwin.close(self.number)
        #endif
    }

    /// A second descriptor of the same socket, which belongs to the caller. Nil when the process has too many open.
    func duplicate() -> Int32? {
        let copy = fcntl(self.number, F_DUPFD_CLOEXEC, 0)
        return copy < 0 ? nil : copy
    }
}
