"""A stand-in for a deployed JavaScript client of the original peer-tree: socket.io-client, simple-signal-client 2.x and
simple-peer, played by python-socketio and aiortc. It knows nothing of our protocol.

It joins a tree (or makes one), forwards every message to those below it, and discovers its tree again when its parent is
gone, as applications of the original do. Events go to standard output, one JSON object a line. A source takes what it
shall write from standard input, one JSON object a line: {"text": ...} or {"base64": ...}.
"""

import argparse
import asyncio
import base64
import contextlib
import hashlib
import json
import secrets
import signal
import sys

import aioice.ice
import socketio
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.sdp import candidate_from_sdp

# A browser takes up to half a minute to notice that the other end is dead; tests need not wait that long.
aioice.ice.CONSENT_INTERVAL = 0.5
aioice.ice.CONSENT_FAILURES = 6

# How long simple-signal-client waits for a connection.
CONNECTION_TIMEOUT = 10

CANDIDATE = "a=candidate:"


def say(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


class SimplePeer:
    """One connection with one data channel, as simple-peer makes it."""

    def __init__(self, initiator, trickle):
        self.initiator = initiator
        self.trickle = trickle
        self.on_signal = self.on_connect = self.on_data = self.on_close = lambda *_: None
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.connection.on("connectionstatechange", self._state_changed)
        self.connection.on("datachannel", self._adopt)
        self.channel = None
        self.channel_is_open = False
        self.is_closed = False
        self._description = None
        self._candidates = []
        self._signals = asyncio.Queue()
        self._task = asyncio.create_task(self._run())

    def signal(self, data):
        self._signals.put_nowait(data)

    def send(self, data):
        if self.channel.readyState == "open":
            self.channel.send(data)

    def close(self):
        """What simple-peer calls destroy."""
        if self.is_closed:
            return None
        self.is_closed = True
        self._task.cancel()
        self.on_close()
        return asyncio.create_task(self.connection.close())

    async def _run(self):
        if self.initiator:
            self.open_channel()
            await self.connection.setLocalDescription(await self.connection.createOffer())
            self._emit_description()
        while True:
            data = await self._signals.get()
            if data.get("sdp"):
                self._description = data
            elif data.get("candidate"):
                self._candidates.append(data["candidate"])
            await self._apply()

    async def _apply(self):
        """A trickled candidate may come before the description it belongs to. aiortc in turn gives up at once on a
        description without any candidate, so such a one waits for the first."""
        if self.connection.remoteDescription is None:
            if self._description is None:
                return
            sdp = self._description["sdp"]
            if CANDIDATE not in sdp:
                if not self._candidates:
                    return
                sdp += f"a={self._candidates.pop(0)['candidate']}\r\n"
            await self.connection.setRemoteDescription(RTCSessionDescription(sdp, self._description["type"]))
            if not self.initiator:
                await self.connection.setLocalDescription(await self.connection.createAnswer())
                self._emit_description()
        for entry in self._candidates:
            candidate = candidate_from_sdp(entry["candidate"].removeprefix("candidate:"))
            candidate.sdpMid, candidate.sdpMLineIndex = entry["sdpMid"], entry["sdpMLineIndex"]
            await self.connection.addIceCandidate(candidate)
        self._candidates.clear()

    def _emit_description(self):
        description = self.connection.localDescription
        if not self.trickle:
            self.on_signal({"type": description.type, "sdp": description.sdp})
            return
        lines = description.sdp.split("\r\n")
        candidates = [line for line in lines if line.startswith(CANDIDATE)]
        bare = [line for line in lines if line not in candidates and line != "a=end-of-candidates"]
        self.on_signal({"type": description.type, "sdp": "\r\n".join(bare)})
        for line in candidates:
            self.on_signal({"candidate": {"candidate": line.removeprefix("a="), "sdpMLineIndex": 0, "sdpMid": "0"}})

    def open_channel(self):
        self._adopt(self.connection.createDataChannel(secrets.token_hex(20)))

    def _adopt(self, channel):
        self.channel = channel
        channel.on("open", self._opened)
        channel.on("message", lambda data: self.on_data(data))
        channel.on("close", self.close)
        if channel.readyState == "open":
            self._opened()

    def _opened(self):
        self.channel_is_open = True
        self.on_connect()

    def _state_changed(self):
        if self.connection.connectionState in ("failed", "closed"):
            self.close()


class SimpleSignal:
    """The signalling of simple-signal-client 2.x: its events, its members, in its order."""

    def __init__(self, url, transport, trickle):
        self.url = url
        self.transport = transport
        self.trickle = trickle
        self.peers = {}
        self.outbox = asyncio.Queue()
        self.discovered = asyncio.Queue()
        self.on_request = lambda _: None
        self.socket = socketio.AsyncClient(reconnection=False)
        self.socket.on("simple-signal[discover]", self.discovered.put_nowait)
        self.socket.on("simple-signal[offer]", self._offered)
        self.socket.on("simple-signal[signal]", self._signalled)
        self.socket.on("simple-signal[reject]", self._rejected)
        self.socket.on("*", lambda name, *arguments: say("unknown", name=name, arguments=arguments))

    async def start(self):
        await self.socket.connect(self.url, transports=[self.transport])
        self.sender = asyncio.create_task(self._send())

    async def discover(self, data):
        self._emit("discover", data)
        return await self.discovered.get()

    def connect(self, target):
        """Offers a connection. A description that is not the first offer travels as a signal."""
        session = secrets.token_hex(8)
        peer = self.peers[session] = SimplePeer(True, self.trickle)
        peer.id = target
        names = iter(["offer"])

        def send(data):
            name = next(names, "signal") if "sdp" in data else "signal"
            self._emit(name, {"signal": data, "metadata": None, "sessionId": session, "target": target})

        peer.on_signal = send
        asyncio.get_running_loop().call_later(CONNECTION_TIMEOUT, lambda: peer.channel_is_open or peer.close())
        return peer

    def _offered(self, data):
        session, initiator = data["sessionId"], data["initiator"]
        peer = self.peers[session] = SimplePeer(False, self.trickle)
        peer.id = initiator
        peer.on_signal = lambda signal: self._emit(
            "signal", {"signal": signal, "metadata": None, "sessionId": session, "target": initiator}
        )
        peer.signal(data["signal"])
        self.on_request(peer)

    def _signalled(self, data):
        if data["sessionId"] in self.peers:
            self.peers[data["sessionId"]].signal(data["signal"])

    def _rejected(self, data):
        say("rejected", metadata=data.get("metadata"))
        if data["sessionId"] in self.peers:
            self.peers.pop(data["sessionId"]).close()

    def _emit(self, name, data):
        self.outbox.put_nowait((f"simple-signal[{name}]", data))

    async def _send(self):
        while True:
            await self.socket.emit(*await self.outbox.get())


class PeerTree:
    """A client of the original: one parent at most, any number of children, everything that comes is passed on."""

    def __init__(self, signalling, output):
        self.signalling = signalling
        self.output = output
        self.downstream = []
        self.total = 0
        self.hash = hashlib.sha256()
        self.is_leaving = False
        signalling.on_request = self._accept

    async def create(self):
        await self._discover({"createNew": True})

    async def join(self, tree):
        data = await self._discover({"treeID": tree})
        if data is None:
            # No place just now, or the tree is over: applications ask again.
            await asyncio.sleep(0.5)
            return await self.join(tree)
        for target in data["peers"]:
            self._connect(target, tree)

    async def _discover(self, request):
        answer = await self.signalling.discover(request)
        data = answer["discoveryData"]
        if "err" in data:
            say("refused", message=data["err"])
            return None
        say("discover", id=answer["id"], tree=data["treeID"], peers=data["peers"])
        return data

    def _connect(self, target, tree):
        parent = self.signalling.connect(target)
        parent.on_connect = lambda: say("upstream", id=target)
        parent.on_data = self.receive

        def closed():
            say("upstream-gone", id=target)
            if not self.is_leaving:
                self.search = asyncio.create_task(self.join(tree))

        parent.on_close = closed

    def _accept(self, child):
        def opened():
            self.downstream.append(child)
            say("downstream", id=child.id)

        def closed():
            say("downstream-gone", id=child.id)
            with contextlib.suppress(ValueError):
                self.downstream.remove(child)

        child.on_connect, child.on_close = opened, closed

    def receive(self, data):
        content = data.encode() if isinstance(data, str) else data
        self.total += len(content)
        self.hash.update(content)
        self.output.write(content)
        say("message", text=isinstance(data, str), bytes=len(content), total=self.total, sha256=self.hash.hexdigest())
        self.write(data)

    def write(self, data):
        for child in list(self.downstream):
            child.send(data)

    async def leave(self):
        self.is_leaving = True
        closing = [peer.close() for peer in self.signalling.peers.values()]
        await asyncio.gather(*(task for task in closing if task))
        await self.signalling.socket.disconnect()


async def feed(client):
    """Writes what comes on standard input, until it ends."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=1 << 22)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async for line in reader:
        command = json.loads(line)
        client.write(command["text"] if "text" in command else base64.b64decode(command["base64"]))


async def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("server")
    parser.add_argument("--tree", help="join this tree; without it, make one and be its source")
    parser.add_argument("--transport", choices=["websocket", "polling"], default="websocket")
    parser.add_argument("--no-trickle", action="store_true", help="put all candidates into the descriptions")
    parser.add_argument("--output", default="/dev/null", help="write what is received to this file")
    arguments = parser.parse_args()
    over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
    signalling = SimpleSignal(arguments.server, arguments.transport, not arguments.no_trickle)
    await signalling.start()
    with open(arguments.output, "wb", buffering=0) as output:
        client = PeerTree(signalling, output)
        if arguments.tree:
            await client.join(arguments.tree)
        else:
            await client.create()
            feeding = asyncio.create_task(feed(client))
        await over.wait()
        await client.leave()


if __name__ == "__main__":
    asyncio.run(main())
