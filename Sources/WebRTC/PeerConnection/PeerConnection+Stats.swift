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
                dataChannelsOpened: self.openedChannels,
                dataChannelsClosed: self.closedChannels
            ),
            transport: .init(
                bytesSent: self.traffic.sentBytes,
                bytesReceived: self.traffic.receivedBytes,
                packetsSent: self.traffic.sentDatagrams,
                packetsReceived: self.traffic.receivedDatagrams,
                dtlsState: self.dtlsState,
                dtlsCipher: self.dtls?.cipher,
                iceRole: self.agent.role == .controlling ? .controlling : .controlled,
                iceState: self.iceConnectionState
            ),
            candidatePair: self.selectedCandidatePair.map {
                .init(
                    local: $0.local,
                    remote: $0.remote,
                    nominated: self.agent.selected?.isNominated == true,
                    currentRoundTripTime: $0.roundTripTime
                )
            },
            sctpTransport: self.association?.stats,
            dataChannels: self.dataChannels.map { $0.getStats() }
        )
    }

    private var dtlsState: StatsReport.DTLSState {
        switch self.dtls?.state {
        case nil: self.isOver ? .closed : .new
        case .handshaking: .connecting
        case .connected: .connected
        case .closed: .closed
        case .failed: .failed
        }
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
