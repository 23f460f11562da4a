import Logging
import NIOCore
import PeerTreeCore
import SocketIO

// The socket to the signalling server.

extension PeerDriver {
    /// Subscribes to the socket's events; they are handled in the order in which they came.
    nonisolated func listen() {
        for name in SignallingName.allCases where name.isFromServer {
            socket.on(name.text.string) { [self] event in
                let payload = event[0] ?? .null
                onLoop { $0.receive(name, payload) }
            }
        }
        socket.onConnect { [self] in
            let (id, host) = (socket.id, socket.host)
            onLoop { $0.connected(id, host) }
        }
        socket.onDisconnect { [self] _ in onLoop { $0.feed(.serverLost) } }
        socket.onConnectError { [self] error in
            onLoop { $0.feed(.serverUnreachable(reason: Text(error.message), isFinal: error.isFinal)) }
        }
    }

    private func connected(_ id: String?, _ host: String) {
        if let id { feed(.serverNamed(socket: Text(id), host: Text(host))) }
        feed(.serverConnected)
    }

    private func receive(_ name: SignallingName, _ payload: JSONValue) {
        guard let event = ServerEvent(Text(name.text), Text(payload)) else {
            logger.debug("the server sent something else", metadata: ["event": "\(name.text)"])
            return
        }
        feed(.server(event))
    }
}
