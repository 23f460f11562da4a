/// Cuts a stream of JSON objects, as etcd's gateway sends them, into the objects: bytes come in pieces that may end
/// anywhere, and hold several objects. White space between objects is skipped; anything else there is an error.
struct JSONObjectSplitter {
    private let limit: Int
    private var object: [UInt8] = []
    private var depth = 0
    private var isInString = false
    private var isEscaped = false

    /// - Parameter limit: Bytes that one object may have.
    init(limit: Int = EtcdLimits.answerBytes) { self.limit = limit }

    /// Takes the next bytes, and returns the objects that end in them.
    mutating func split(_ bytes: some Sequence<UInt8>) throws(EtcdError) -> [[UInt8]] {
        var objects: [[UInt8]] = []
        for byte in bytes {
            guard depth > 0 || byte == UInt8(ascii: "{") else {
                if [0x20, 0x09, 0x0A, 0x0D].contains(byte) { continue }
                throw EtcdError(
                    .malformed,
                    "etcd's stream has byte \(byte) where an object begins: is this etcd's address?"
                )
            }
            guard object.count < limit else {
                throw EtcdError(.malformed, "etcd's stream has an object of more than \(limit) bytes")
            }
            object.append(byte)
            if advance(over: byte) {
                objects.append(object)
                object = []
            }
        }
        return objects
    }

    /// Whether the object ends with this byte.
    private mutating func advance(over byte: UInt8) -> Bool {
        if isEscaped {
            isEscaped = false
        } else if isInString {
            isEscaped = byte == UInt8(ascii: "\\")
            isInString = byte != UInt8(ascii: "\"")
        } else {
            switch byte {
            case UInt8(ascii: "\""): isInString = true
            case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
            default: break
            }
        }
        return depth == 0
    }
}
