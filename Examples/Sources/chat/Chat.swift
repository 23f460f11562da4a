import Foundation
import NIOCore
import SocketIO

/// `chat [--port N] [--client FILE]`: a chat whose page talks to the server with the stand-alone socket.io-client (the
/// file `socket.io.min.js` of its distribution), which FILE names.
@main
struct Chat {
    struct Message: Codable, Sendable {
        var name: String
        var text: String
    }

    static func main() async throws {
        let client = option("--client").flatMap { FileManager.default.contents(atPath: $0) }
        let files = ["/": ByteBuffer(string: page), "/socket.io.min.js": ByteBuffer(bytes: client ?? Data())]

        var configuration = SocketIOServerConfiguration()
        configuration.recovery = ConnectionStateRecovery()
        let io = SocketIOServer(configuration: configuration)
        serve(io)
        let address = try await io.listen(port: option("--port").flatMap(Int.init) ?? 3000) { channel in
            FileHandler.install(on: channel, files: files)
        }
        print("http://127.0.0.1:\(address.port ?? 0)/")
        fflush(nil)
        while true { try await Task.sleep(for: .seconds(3600)) }
    }

    /// What follows `name` on the command line.
    static func option(_ name: String) -> String? {
        CommandLine.arguments.firstIndex(of: name).flatMap { CommandLine.arguments.dropFirst($0 + 1).first }
    }

    /// Everyone has a name, which comes with the connection, and is in one room at a time.
    static func serve(_ io: SocketIOServer) {
        io.use { socket throws(SocketIOConnectError) in
            guard let name = socket.handshake.auth["name"]?.stringValue, (1...20).contains(name.count) else {
                throw SocketIOConnectError("A name of 1 to 20 characters, please")
            }
            socket.data = name
        }
        io.on("connection") { socket in
            let name = socket.data as? String ?? ""
            socket.join("lobby")
            if !socket.isRecovered { socket.to("lobby").emit("joined", .string(name)) }
            socket.on("message", as: String.self) { text, event in
                try? io.to("lobby").emit("message", encoding: Message(name: name, text: String(text.prefix(500))))
                event.acknowledge()
            }
            socket.on("typing") { _ in socket.to("lobby").volatile.emit("typing", .string(name)) }
            socket.onDisconnect { _ in io.to("lobby").emit("left", .string(name)) }
        }
    }

    static let page = """
        <!doctype html>
        <meta charset="utf-8">
        <title>Chat</title>
        <script src="/socket.io.min.js"></script>
        <ul id="lines"></ul>
        <p id="typing"></p>
        <form><input id="text" autocomplete="off" autofocus><button>Send</button></form>
        <script>
          const name = new URLSearchParams(location.search).get("name") ?? prompt("Your name?");
          const socket = io({ auth: { name } });
          const line = (text) => {
            const item = document.createElement("li");
            item.textContent = text;
            document.querySelector("#lines").append(item);
          };
          socket.on("connect", () => line(socket.recovered ? "Back again" : "Connected"));
          socket.on("connect_error", (error) => line(error.message));
          socket.on("joined", (name) => line(`${name} has come`));
          socket.on("left", (name) => line(`${name} has gone`));
          socket.on("message", ({ name, text }) => line(`${name}: ${text}`));
          socket.on("typing", (name) => (document.querySelector("#typing").textContent = `${name} is typing`));
          document.querySelector("#text").addEventListener("input", () => socket.volatile.emit("typing"));
          document.querySelector("form").addEventListener("submit", (event) => {
            event.preventDefault();
            const input = document.querySelector("#text");
            socket.emit("message", input.value, () => line("(delivered)"));
            input.value = "";
          });
        </script>
        """
}
