import NIOCore

/// What fuzzers drive: each takes one input as it could come from outside, checks what must hold for every input, and
/// says whether the input was accepted.
package enum ParserProbe {
    /// A promise that an input broke.
    package struct BrokenPromise: Error, CustomStringConvertible {
        package var description: String
    }

    /// A STUN datagram. What is accepted can be checked for integrity and encoded again, and is then accepted.
    package static func stun(_ input: [UInt8]) throws(BrokenPromise) -> Bool {
        guard let decoder = try? STUNDecoder(input) else { return false }
        _ = decoder.isAuthentic(password: "VOkJxbRl1RmTxUk/WvJxBt")
        let encoded = decoder.message.encoded(password: "another password of 24 b")
        guard let again = try? STUNDecoder(encoded) else {
            throw BrokenPromise(description: "an accepted message is refused when it is encoded again")
        }
        guard again.isAuthentic(password: "another password of 24 b") else {
            throw BrokenPromise(description: "a message just signed is not authentic")
        }
        return true
    }

    /// A session description. What is accepted survives being written and read.
    package static func sdp(_ input: [UInt8]) throws(BrokenPromise) -> Bool {
        let text = String(decoding: input, as: UTF8.self)
        guard let description = try? DataSessionDescription(parsing: text) else { return false }
        guard let again = try? DataSessionDescription(parsing: description.written(sessionID: 1, version: 2)) else {
            throw BrokenPromise(description: "an accepted description is refused when it is written again")
        }
        guard again.usernameFragment == description.usernameFragment, again.password == description.password,
            again.fingerprints == description.fingerprints, again.candidates == description.candidates,
            again.sctpPort == description.sctpPort, again.maximumMessageSize == description.maximumMessageSize
        else { throw BrokenPromise(description: "a description changed by being written and read") }
        return true
    }

    /// A candidate line. What is accepted is read back the same.
    package static func candidate(_ input: [UInt8]) throws(BrokenPromise) -> Bool {
        guard let candidate = try? ICECandidate(parsing: String(decoding: input, as: UTF8.self)) else { return false }
        guard (try? ICECandidate(parsing: candidate.description)) == candidate else {
            throw BrokenPromise(description: "a candidate changed by being written and read")
        }
        return true
    }

    /// A message of the channel establishment protocol. What is accepted is read back the same.
    package static func dcep(_ input: [UInt8]) throws(BrokenPromise) -> Bool {
        guard let message = try? DCEPMessage(ByteBuffer(bytes: input)) else { return false }
        guard (try? DCEPMessage(message.encoded())) == message else {
            throw BrokenPromise(description: "a DCEP message changed by being encoded and decoded")
        }
        return true
    }
}
