import NIOCore
import SCTP

/// What went over a connection, counted by it.
struct PeerConnectionTraffic {
    var receivedBytes: UInt64 = 0
    var receivedDatagrams: UInt64 = 0
    var sentBytes: UInt64 = 0
    var sentDatagrams: UInt64 = 0
}

extension PeerConnection {
    /// What went over this connection so far, in the terms of W3C WebRTC Statistics.
    public func getStats() -> StatsReport {
        StatsReport(
            peerConnection: .init(
                dataChannelsOpened: self.streams.openedChannels,
                dataChannelsClosed: self.streams.closedChannels
            ),
            transport: .init(
                bytesSent: self.traffic.sentBytes,
                bytesReceived: self.traffic.receivedBytes,
                packetsSent: self.traffic.sentDatagrams,
                packetsReceived: self.traffic.receivedDatagrams,
                dtlsState: self.dtlsState,
                dtlsCipher: self.handshake.dtls?.cipher,
                iceRole: self.ice.agent.role == .controlling ? .controlling : .controlled,
                iceState: self.iceConnectionState
            ),
            candidatePair: self.selectedCandidatePair.map {
                .init(
                    local: $0.local,
                    remote: $0.remote,
                    nominated: self.ice.agent.selected?.isNominated == true,
                    currentRoundTripTime: $0.roundTripTime
                )
            },
            sctpTransport: self.association?.statistics.map { .init($0, deliveryRate: self.deliveryRate) },
            dataChannels: self.dataChannels.map { $0.getStats() }
        )
    }

    /// How fast the peer acknowledges user data, in bytes a second, while the path is what limits: what can be handed over
    /// in 0.2 s is what the peer has 0.2 s and a round trip later. Measured once a round trip and smoothed; nil as long as
    /// there never was more to send than the path took.
    public var deliveryRate: Int? { self.association?.deliveryRate }

    private var dtlsState: StatsReport.DTLSState {
        switch self.handshake.dtls?.state {
        case nil: self.isOver ? .closed : .new
        case .handshaking: .connecting
        case .connected: .connected
        case .closed: .closed
        case .failed: .failed
        }
    }
}

extension StatsReport.SCTPTransport {
    init(_ statistics: AssociationStatistics, deliveryRate: Int?) {
        self.init(
            smoothedRoundTripTime: statistics.smoothedRoundTrip ?? .zero,
            retransmissionTimeout: statistics.retransmissionTimeout,
            congestionWindow: statistics.congestionWindow,
            receiverWindow: statistics.peerWindow,
            mtu: statistics.packetSize,
            unackData: statistics.outstandingChunks,
            pendingMessages: statistics.waitingMessages,
            retransmittedPackets: statistics.retransmittedPackets,
            retransmittedBytes: statistics.retransmittedBytes,
            deliveryRate: deliveryRate
        )
    }
}

extension DataChannel {
    /// What went over this channel so far.
    public func getStats() -> StatsReport.DataChannel {
        StatsReport.DataChannel(
            label: self.label,
            subprotocol: self.subprotocol,
            dataChannelIdentifier: self.id,
            state: self.readyState,
            messagesSent: self.traffic.sentMessages,
            bytesSent: self.traffic.sentBytes,
            messagesReceived: self.traffic.receivedMessages,
            bytesReceived: self.traffic.receivedBytes
        )
    }
}
