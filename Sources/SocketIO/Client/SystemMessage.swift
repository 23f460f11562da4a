#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// What the system calls an error number, such as `connection refused`.
func systemMessage(_ number: Int32) -> String {
    String(cString: strerror(number)).lowercased()
}
