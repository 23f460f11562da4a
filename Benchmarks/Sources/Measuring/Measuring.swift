import Foundation

/// Nanoseconds on the monotonic clock.
public func nanoseconds() -> UInt64 {
    DispatchTime.now().uptimeNanoseconds
}

/// Resident bytes of this process; 0 where there is no /proc.
public func residentBytes() -> Int {
    guard let text = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8) else { return 0 }
    let fields = text.split(separator: " ")
    return fields.count > 1 ? (Int(fields[1]) ?? 0) * Int(sysconf(Int32(_SC_PAGESIZE))) : 0
}

/// Prints a line of the table.
public func report(_ name: String, _ figure: String) {
    print(name.padding(toLength: 20, withPad: " ", startingAt: 0) + figure)
}
