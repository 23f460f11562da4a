// What the application sets to hear of events.
extension PeerConnection {
    struct Handlers {
        var candidate: ((IceCandidate) -> Void)?
        var dataChannel: ((DataChannel) -> Void)?
        var connectionState: ((PeerConnectionState) -> Void)?
        var iceConnectionState: ((ICEConnectionState) -> Void)?
        var iceGatheringState: ((ICEGatheringState) -> Void)?
        var negotiationNeeded: (() -> Void)?
        var signalingState: ((SignalingState) -> Void)?
    }

    /// A candidate to hand to the peer; an empty string ends them. Those in the description are not repeated.
    public var onICECandidate: ((IceCandidate) -> Void)? {
        get { self.handlers.candidate }
        set { self.handlers.candidate = newValue }
    }

    /// The peer opened a channel. Set its `onMessage` before returning: messages may follow at once.
    public var onDataChannel: ((DataChannel) -> Void)? {
        get { self.handlers.dataChannel }
        set { self.handlers.dataChannel = newValue }
    }

    /// `connectionState` changed, including to `closed` by `close()`.
    public var onConnectionStateChange: ((PeerConnectionState) -> Void)? {
        get { self.handlers.connectionState }
        set { self.handlers.connectionState = newValue }
    }

    /// `iceConnectionState` changed.
    public var onICEConnectionStateChange: ((ICEConnectionState) -> Void)? {
        get { self.handlers.iceConnectionState }
        set { self.handlers.iceConnectionState = newValue }
    }

    /// `iceGatheringState` changed.
    public var onICEGatheringStateChange: ((ICEGatheringState) -> Void)? {
        get { self.handlers.iceGatheringState }
        set { self.handlers.iceGatheringState = newValue }
    }

    /// An offer is to be made and handed to the peer: a first channel was created, or `restartICE()` was called.
    public var onNegotiationNeeded: (() -> Void)? {
        get { self.handlers.negotiationNeeded }
        set { self.handlers.negotiationNeeded = newValue }
    }

    /// `signalingState` changed. Not called for `closed`, which `onConnectionStateChange` tells.
    public var onSignalingStateChange: ((SignalingState) -> Void)? {
        get { self.handlers.signalingState }
        set { self.handlers.signalingState = newValue }
    }
}
