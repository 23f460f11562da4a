#if canImport(PeerTreeCore)
import PeerTreeCore
#endif

extension ClientConfiguration {
    /// Sets what is called so; a value that is no number of its kind becomes the nearest that is.
    mutating func set(_ option: Option, _ value: Double) {
        let count = Int(min(value.clamped, UInt64(Int32.max)))
        let span = TimeSpan(milliseconds: value)
        switch option {
        case .stripes: peer.stripes = UInt8(clamping: count)
        case .parity: peer.parity = UInt8(clamping: count)
        case .policy: peer.policy = StreamPolicy(rawValue: UInt8(clamping: count)) ?? .lossless
        case .replayChunks: peer.replayChunks = count
        case .replayBytes: peer.replayBytes = count
        case .window: peer.window = UInt32(clamping: count)
        case .highWater: peer.highWater = count
        case .maximumMessageBytes: peer.maximumMessageBytes = count
        case .maximumRetainedKeys: peer.maximumRetainedKeys = count
        case .maximumRetainedBytes: peer.maximumRetainedBytes = count
        case .maximumLinks: peer.maximumLinks = count
        case .maximumChildren: peer.maximumChildren = count
        case .admissionTimeout: peer.admissionTimeout = span
        case .releaseTimeout: peer.releaseTimeout = span
        case .maximumMalformedFrames: peer.maximumMalformedFrames = count
        case .heartbeatInterval: peer.heartbeatInterval = span
        case .silenceTimeout: peer.silenceTimeout = span
        case .connectTimeout: peer.connectTimeout = span
        case .attemptPatience: peer.attemptPatience = span
        case .subscribeTimeout: peer.subscribeTimeout = span
        case .orphanRetry: peer.orphanRetry = span
        case .repairRequestTimeout: peer.repairRequestTimeout = span
        case .repairTimeout: peer.repairTimeout = span
        case .patience: peer.patience = span
        case .maximumLiveLag: peer.maximumLiveLag = span
        case .leaveTimeout: peer.leaveTimeout = span
        case .endTimeout: peer.endTimeout = span
        case .minimumRate: peer.minimumRate = count
        case .handOutTime: peer.handOutTime = span
        case .rejoinTimeout: peer.rejoinTimeout = span
        case .maximumUnprovenBytes: peer.maximumUnprovenBytes = count
        case .capacity: membership.capacity = UInt16(clamping: count)
        case .discoverTimeout: membership.discoverTimeout = span
        case .unreachablePatience: membership.unreachablePatience = span
        case .retryInterval: membership.retryInterval = span
        case .statusInterval: membership.statusInterval = span == .zero ? nil : span
        case .maximumSessions: membership.maximumSessions = count
        case .sessionTimeout: membership.sessionTimeout = span
        case .restartInterval: membership.restartInterval = span
        case .nativePatience: membership.nativePatience = span
        case .plainPatience: membership.plainPatience = span
        case .encrypted: membership.isEncrypted = count != 0
        case .deliversMessages: deliversMessages = count != 0
        }
    }
}
