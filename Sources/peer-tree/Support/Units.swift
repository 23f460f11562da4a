import Foundation

/// Figures as people read them.
enum Units {
    /// Such as `1.4 MB`.
    static func bytes(_ count: Int) -> String {
        scaled(Double(count), ["B", "kB", "MB", "GB", "TB"])
    }

    /// Such as `1.4 MB/s`.
    static func rate(_ bytesPerSecond: Double) -> String {
        scaled(bytesPerSecond, ["B", "kB", "MB", "GB", "TB"]) + "/s"
    }

    /// Such as `3.1 ms`.
    static func milliseconds(_ value: Double?) -> String {
        guard let value else { return "-" }
        return String(format: value < 10 ? "%.1f ms" : "%.0f ms", value)
    }

    private static func scaled(_ value: Double, _ units: [String]) -> String {
        var value = value
        var unit = 0
        while value >= 1000, unit < units.count - 1 {
            value /= 1000
            unit += 1
        }
        return unit == 0 ? "\(Int(value)) \(units[0])" : String(format: "%.1f %@", value, units[unit])
    }
}

/// A number of bytes as a user writes it: `500000`, `500k`, `2M`.
func parseByteCount(_ text: String) -> Int? {
    let factors: [Character: Double] = ["k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9]
    guard let last = text.last else { return nil }
    let factor = factors[last]
    let digits = factor == nil ? text : String(text.dropLast())
    guard let number = Double(digits), number > 0, number.isFinite else { return nil }
    return Int(exactly: (number * (factor ?? 1)).rounded())
}
