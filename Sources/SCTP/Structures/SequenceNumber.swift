/// Sequence numbers on the wire wrap around; in here they do not. A number is taken to be the one nearest to a reference
/// (RFC 1982), so nothing beyond this file knows of wrapping.
enum SequenceNumber {
    /// An initial number as an unwrapped one, with room below it.
    static func initial(_ number: UInt32) -> Int { 1 << 32 + Int(number) }

    /// The unwrapped number nearest to `reference` that looks like `number` on the wire.
    static func unwrap(_ number: UInt32, near reference: Int) -> Int {
        reference + Int(Int32(bitPattern: number &- UInt32(truncatingIfNeeded: reference)))
    }
}
