import Logging
import NIOCore
import PeerTreeCore
import SocketIO
import WebRTC

// Peer connections and data channels.

extension PeerDriver {
    func connect(_ link: LinkID, _ servers: Text?) {
        attempt(link) {
            let connection = try make(link, servers)
            adopt(try connection.createDataChannel(label: "peer-tree"), link)
            feed(.described(link, sdp: Text(try connection.createOffer().sdp)))
        }
    }

    func accept(_ link: LinkID, _ offer: Text, _ servers: Text?) {
        attempt(link) {
            let connection = try make(link, servers)
            connection.onDataChannel = { [self] channel in
                guard links[link]?.channel == nil else { return channel.close() }
                adopt(channel, link)
                feed(.channelOpened(link))
            }
            try answer(connection, offer, link)
        }
    }

    func restart(_ link: LinkID) {
        attempt(link) {
            guard let connection = links[link]?.connection else { return }
            feed(.described(link, sdp: Text(try connection.createOffer(iceRestart: true).sdp)))
        }
    }

    func answer(_ link: LinkID, _ offer: Text) {
        attempt(link) {
            if let connection = links[link]?.connection { try answer(connection, offer, link) }
        }
    }

    func takeAnswer(_ link: LinkID, _ sdp: Text) {
        attempt(link) {
            try links[link]?.connection.setRemoteDescription(SessionDescription(type: .answer, sdp: sdp.string))
        }
    }

    func addCandidate(_ link: LinkID, _ candidate: Text) {
        do throws(WebRTCError) {
            try links[link]?.connection.addICECandidate(IceCandidate(candidate.json))
        } catch {
            logger.debug("a candidate was refused", metadata: ["error": "\(error)"])
        }
    }

    private func answer(_ connection: PeerConnection, _ offer: Text, _ link: LinkID) throws(WebRTCError) {
        try connection.setRemoteDescription(SessionDescription(type: .offer, sdp: offer.string))
        feed(.described(link, sdp: Text(try connection.createAnswer().sdp)))
    }

    private func attempt(_ link: LinkID, _ body: () throws -> Void) {
        do {
            try body()
        } catch {
            logger.debug("a connection failed", metadata: ["link": "\(link.rawValue)", "error": "\(error)"])
            feed(.connectionFailed(link))
        }
    }

    private func make(_ link: LinkID, _ servers: Text?) throws(WebRTCError) -> PeerConnection {
        // Own servers come first; without any from the signalling server, the transport's configuration holds.
        let connection =
            if let servers {
                try transport.makePeerConnection(
                    iceServers: configuration.webRTC.iceServers + ICEServer.list(servers.json)
                )
            } else {
                try transport.makePeerConnection()
            }
        links[link] = (connection, nil)
        connection.onICECandidate = { [self] candidate in
            feed(.candidate(link, candidate.candidate.isEmpty ? nil : Text(candidate.json)))
        }
        connection.onConnectionStateChange = { [self] state in
            switch state {
            case .connected:
                feed(.path(link, .connected))
                if let pair = connection.selectedCandidatePair { feed(.relayed(link, pair.isRelayed)) }
            case .disconnected: feed(.path(link, .disconnected))
            case .failed, .closed: feed(.path(link, .failed))
            case .new, .connecting: break
            }
        }
        return connection
    }

    private func adopt(_ channel: DataChannel, _ link: LinkID) {
        links[link]?.channel = channel
        channel.onOpen = { [self] in feed(.channelOpened(link)) }
        channel.onClose = { [self] in feed(.channelClosed(link)) }
        channel.onMessage = { [self] message, kind in feed(.received(link, message, isText: kind == .text)) }
        channel.onBufferedAmountLow = { [self] in feed(.buffered(link, channel.bufferedAmount)) }
    }

    func send(_ payload: ByteBuffer, _ kind: DataChannelMessageKind, on link: LinkID) {
        do throws(DataChannelError) {
            try links[link]?.channel?.send(payload, as: kind)
        } catch {
            // A message that a plain neighbour cannot take is left out; a channel that closed says so by itself.
            logger.debug("a message could not be sent", metadata: ["link": "\(link.rawValue)", "error": "\(error)"])
        }
    }
}
