/// SHA-256 (FIPS 180-4), piece by piece.
package struct SHA256Hasher {
    private var state: SIMD8<UInt32> = [
        0x6A09_E667, 0xBB67_AE85, 0x3C6E_F372, 0xA54F_F53A, 0x510E_527F, 0x9B05_688C, 0x1F83_D9AB, 0x5BE0_CD19,
    ]
    /// The bytes since the last whole block of 64.
    private var pending = SIMD64<UInt8>()
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
        var offset = 0
        let held = Int(byteCount % 64)
        byteCount &+= UInt64(bytes.count)
        if held > 0 {
            offset = min(64 - held, bytes.count)
            for index in 0..<offset { pending[held + index] = bytes[index] }
            guard held + offset == 64 else { return }
            compressPending()
        }
        while bytes.count - offset >= 64 {
            compress(UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + 64]))
            offset += 64
        }
        for index in offset..<bytes.count { pending[index - offset] = bytes[index] }
    }

    /// Goes on with the bytes of a hash.
    mutating func update(_ hash: Hash256) {
        var words = hash.words
        for index in 0..<8 { words[index] = words[index].bigEndian }
        withUnsafeBytes(of: words) { update($0) }
    }

    /// The hash of everything so far; the hasher is used up.
    package mutating func finish() -> Hash256 {
        var held = Int(byteCount % 64)
        pending[held] = 0x80
        held += 1
        if held > 56 {
            for index in held..<64 { pending[index] = 0 }
            compressPending()
            held = 0
        }
        for index in held..<56 { pending[index] = 0 }
        let bitCount = byteCount &* 8
        for index in 0..<8 { pending[56 + index] = UInt8(truncatingIfNeeded: bitCount >> UInt64(56 - 8 * index)) }
        compressPending()
        return Hash256(words: state)
    }

    private mutating func compressPending() {
        let block = pending
        withUnsafeBytes(of: block) { compress($0) }
    }

    /// Takes in one block of 64 bytes.
    private mutating func compress(_ block: UnsafeRawBufferPointer) {
        withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 64) { schedule in
            for index in 0..<16 {
                let word = block.loadUnaligned(fromByteOffset: index * 4, as: UInt32.self)
                schedule.initializeElement(at: index, to: UInt32(bigEndian: word))
            }
            for index in 16..<64 {
                let (early, late) = (schedule[index - 15], schedule[index - 2])
                let low = early.rotated(7) ^ early.rotated(18) ^ (early >> 3)
                let high = late.rotated(17) ^ late.rotated(19) ^ (late >> 10)
                schedule.initializeElement(at: index, to: schedule[index - 16] &+ low &+ schedule[index - 7] &+ high)
            }
            mix(UnsafeBufferPointer(schedule))
        }
    }

    private mutating func mix(_ schedule: UnsafeBufferPointer<UInt32>) {
        var (a, b, c, d) = (state[0], state[1], state[2], state[3])
        var (e, f, g, h) = (state[4], state[5], state[6], state[7])
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
        state &+= SIMD8(a, b, c, d, e, f, g, h)
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
