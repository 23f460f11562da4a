/// SHA-256 (FIPS 180-4), piece by piece.
package struct SHA256Hasher {
    private var state = State()
    /// The bytes since the last whole block of 64.
    private var pending: [UInt8] = []
    private var byteCount: UInt64 = 0

    /// Begins with nothing.
    package init() {}

    /// The hash of a few bytes.
    package static func hash(_ bytes: [UInt8]) -> Hash256 {
        var hasher = SHA256Hasher()
        hasher.update(bytes)
        return hasher.finish()
    }

    /// Goes on with these bytes.
    package mutating func update(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { update($0) }
    }

    /// Goes on with these bytes.
    package mutating func update(_ bytes: UnsafeRawBufferPointer) {
        byteCount &+= UInt64(bytes.count)
        var offset = 0
        if !pending.isEmpty {
            offset = min(64 - pending.count, bytes.count)
            pending.append(contentsOf: bytes[0..<offset])
            guard pending.count == 64 else { return }
            compressPending()
        }
        while bytes.count - offset >= 64 {
            state.take(bytes, at: offset)
            offset += 64
        }
        pending.reserveCapacity(64)
        pending.append(contentsOf: bytes[offset..<bytes.count])
    }

    /// The hash of everything so far; the hasher is used up.
    package mutating func finish() -> Hash256 {
        let bitCount = byteCount &* 8
        pending.append(0x80)
        if pending.count > 56 {
            pad(to: 64)
            compressPending()
        }
        pad(to: 56)
        for index in 0..<8 { pending.append(UInt8(truncatingIfNeeded: bitCount >> UInt64(56 - 8 * index))) }
        compressPending()
        return state.hash
    }

    private mutating func pad(to length: Int) {
        while pending.count < length { pending.append(0) }
    }

    private mutating func compressPending() {
        pending.withUnsafeBytes { state.take($0, at: 0) }
        pending.removeAll(keepingCapacity: true)
    }
}

/// The eight words that everything is mixed into.
private struct State {
    private var a: UInt32 = 0x6A09_E667
    private var b: UInt32 = 0xBB67_AE85
    private var c: UInt32 = 0x3C6E_F372
    private var d: UInt32 = 0xA54F_F53A
    private var e: UInt32 = 0x510E_527F
    private var f: UInt32 = 0x9B05_688C
    private var g: UInt32 = 0x1F83_D9AB
    private var h: UInt32 = 0x5BE0_CD19

    var hash: Hash256 {
        Hash256(words: UInt64(a, b), UInt64(c, d), UInt64(e, f), UInt64(g, h))
    }

    /// Takes in one block of 64 bytes, which begins at an offset.
    mutating func take(_ bytes: UnsafeRawBufferPointer, at offset: Int) {
        withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 64) { schedule in
            for index in 0..<16 {
                let word = bytes.loadUnaligned(fromByteOffset: offset + index * 4, as: UInt32.self)
                schedule.initializeElement(at: index, to: UInt32(bigEndian: word))
            }
            for index in 16..<64 {
                let (early, late) = (schedule[index - 15], schedule[index - 2])
                let low = early.rotated(7) ^ early.rotated(18) ^ (early >> 3)
                let high = late.rotated(17) ^ late.rotated(19) ^ (late >> 10)
                schedule.initializeElement(at: index, to: schedule[index - 16] &+ low &+ schedule[index - 7] &+ high)
            }
            var mixed = self
            mixed.mix(UnsafeBufferPointer(schedule))
            add(mixed)
        }
    }

    private mutating func mix(_ schedule: UnsafeBufferPointer<UInt32>) {
        roundConstants.withUnsafeBufferPointer { constants in
            for index in 0..<64 {
                let choice = (e & f) ^ (~e & g)
                let high = e.rotated(6) ^ e.rotated(11) ^ e.rotated(25)
                let first = h &+ high &+ choice &+ constants[index] &+ schedule[index]
                let majority = (a & b) ^ (a & c) ^ (b & c)
                let low = a.rotated(2) ^ a.rotated(13) ^ a.rotated(22)
                (h, g, f, e) = (g, f, e, d &+ first)
                (d, c, b, a) = (c, b, a, first &+ low &+ majority)
            }
        }
    }

    private mutating func add(_ mixed: State) {
        (a, b, c, d) = (a &+ mixed.a, b &+ mixed.b, c &+ mixed.c, d &+ mixed.d)
        (e, f, g, h) = (e &+ mixed.e, f &+ mixed.f, g &+ mixed.g, h &+ mixed.h)
    }
}

extension UInt64 {
    fileprivate init(_ high: UInt32, _ low: UInt32) {
        self = UInt64(high) << 32 | UInt64(low)
    }
}

extension UInt32 {
    fileprivate func rotated(_ bits: UInt32) -> UInt32 {
        self &>> bits | self &<< (32 &- bits)
    }
}

private let roundConstants: [UInt32] = [
    0x428A_2F98, 0x7137_4491, 0xB5C0_FBCF, 0xE9B5_DBA5, 0x3956_C25B, 0x59F1_11F1, 0x923F_82A4, 0xAB1C_5ED5,
    0xD807_AA98, 0x1283_5B01, 0x2431_85BE, 0x550C_7DC3, 0x72BE_5D74, 0x80DE_B1FE, 0x9BDC_06A7, 0xC19B_F174,
    0xE49B_69C1, 0xEFBE_4786, 0x0FC1_9DC6, 0x240C_A1CC, 0x2DE9_2C6F, 0x4A74_84AA, 0x5CB0_A9DC, 0x76F9_88DA,
    0x983E_5152, 0xA831_C66D, 0xB003_27C8, 0xBF59_7FC7, 0xC6E0_0BF3, 0xD5A7_9147, 0x06CA_6351, 0x1429_2967,
    0x27B7_0A85, 0x2E1B_2138, 0x4D2C_6DFC, 0x5338_0D13, 0x650A_7354, 0x766A_0ABB, 0x81C2_C92E, 0x9272_2C85,
    0xA2BF_E8A1, 0xA81A_664B, 0xC24B_8B70, 0xC76C_51A3, 0xD192_E819, 0xD699_0624, 0xF40E_3585, 0x106A_A070,
    0x19A4_C116, 0x1E37_6C08, 0x2748_774C, 0x34B0_BCB5, 0x391C_0CB3, 0x4ED8_AA4A, 0x5B9C_CA4F, 0x682E_6FF3,
    0x748F_82EE, 0x78A5_636F, 0x84C8_7814, 0x8CC7_0208, 0x90BE_FFFA, 0xA450_6CEB, 0xBEF9_A3F7, 0xC671_78F2,
]
