import Testing

@testable import WebRTC

@Suite("HMAC-SHA1", .timeLimit(.minutes(5)))
struct HMACTests {
    @Test("The codes are those of RFC 2202 section 3, also for a key longer than a block")
    func vectors() {
        func hexadecimal(_ key: [UInt8], _ text: String) -> String {
            HMACSHA1.code(for: Array(text.utf8), key: key)
                .map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
        }
        let short = [UInt8](repeating: 0x0B, count: 20)
        #expect(hexadecimal(short, "Hi There") == "b617318655057264e28bc0b6fb378c8ef146be00")
        let jefe = Array("Jefe".utf8)
        let question = "what do ya want for nothing?"
        #expect(hexadecimal(jefe, question) == "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79")
        let long = [UInt8](repeating: 0xAA, count: 80)
        let title = "Test Using Larger Than Block-Size Key - Hash Key First"
        #expect(hexadecimal(long, title) == "aa4ae5e15272d00e95705637ce8a3b55ed402112")
    }
}
