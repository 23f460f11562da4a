#if canImport(PeerTreeCore)
import PeerTreeCore
#endif

/// What is to be signed crosses the boundary as two numbers, which the scripts give back with the signature.
extension SignedThing {
    init(kind: Double, number: Double) {
        switch kind {
        case 0: self = .block(number.clamped)
        case 1: self = .head
        case 2: self = .pulse(clock: number.clamped)
        default: self = .creation
        }
    }

    var record: (kind: Double, number: Double) {
        switch self {
        case .block(let number): (0, Double(number))
        case .head: (1, 0)
        case .pulse(let clock): (2, Double(clock))
        case .creation: (3, 0)
        }
    }
}
