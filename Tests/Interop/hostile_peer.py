"""A peer that speaks our protocol in earnest and can be made to lie: aiortc and python-socketio, without a line of ours.

Left alone it is a good relay. It joins a tree, is fed by its parent, and feeds its children. Tests take the frames into
their own hands: every link has `send`, what comes is kept, and what the relay would do by itself can be switched off.
"""

import asyncio
import contextlib
import secrets
import time

import socketio
import wire
from legacy_peer import SimplePeer

BEAT = 0.2


class Connection(SimplePeer):
    """A connection with the channel of native links, or, if MUTE, one that never opens any."""

    def __init__(self, initiator, is_mute=False):
        self.is_mute = is_mute
        super().__init__(initiator, trickle=False)

    def open_channel(self):
        if self.is_mute:
            # Agreed upon beforehand, as only this end believes: nothing is said, and the other end waits for a channel.
            self.connection.createDataChannel("mute", negotiated=True, id=1000)
        else:
            self._adopt(self.connection.createDataChannel("peer-tree"))

    def signal(self, data):
        # Native peers end their candidates with an empty one.
        candidate = data.get("candidate")
        if candidate is None or candidate["candidate"]:
            super().signal(data)

    @property
    def is_connected(self):
        return self.connection.connectionState == "connected"


class Link:
    """One native link: what came on it, and a pen to write on it."""

    def __init__(self, connection, remote, on_frame):
        self.connection = connection
        self.remote = remote
        self.frames = []
        # The stripes that the other end asked for.
        self.stripes = set()
        self.chunks = 0
        self.bytes = 0
        self.heard = asyncio.Event()
        self.opened = asyncio.Event()
        self.closed = asyncio.Event()
        self.is_beating = True
        self.on_frame = on_frame
        connection.on_connect = self._open
        connection.on_data = self._receive
        connection.on_close = self.closed.set

    @property
    def is_closed(self):
        return self.connection.is_closed

    def send(self, *frames):
        if not self.is_closed and self.connection.channel:
            for frame in frames:
                self.connection.send(frame)

    async def next(self, kind, timeout=10):
        """The next frame of a kind; those before it are passed over."""
        async with asyncio.timeout(timeout):
            while True:
                while self.frames:
                    frame = self.frames.pop(0)
                    if isinstance(frame, kind):
                        return frame
                self.heard.clear()
                await self.heard.wait()

    def _open(self):
        if not self.opened.is_set():
            self.opened.set()
            self.beating = asyncio.create_task(self._beat())

    def _receive(self, data):
        frame = wire.parse(data)
        if isinstance(frame, wire.Chunk):
            self.chunks += 1
            self.bytes += len(frame.payload)
        elif not isinstance(frame, wire.Heartbeat):
            self.frames.append(frame)
        self.heard.set()
        self.on_frame(self, frame, data)

    async def _beat(self):
        while not self.is_closed:
            if self.is_beating:
                self.send(wire.heartbeat(time.monotonic_ns() // 1000))
            await asyncio.sleep(BEAT)


class HostilePeer:
    """A member of a tree. `async with HostilePeer(url) as peer`, then `join`."""

    def __init__(self, url):
        self.url = url
        self.socket = socketio.AsyncClient(reconnection=False)
        self.answers = asyncio.Queue()
        self.offers = []
        self.assignments = []
        self.suspects = []
        self.errors = []
        self.connections = {}
        # Where the server put it, and the link to who feeds it there, by stripe.
        self.places = {}
        self.parents = {}
        self.children = []
        self.tasks = []
        self.changed = asyncio.Event()
        # The stream as the parent gave it: frames by number.
        self.stream = None
        # The stripes of which it is told where they begin.
        self.begun = set()
        self.start = 0
        self.held = {}
        # What the source says of it under its signature: the head, and the newest pulse.
        self.said = {}
        # What may be switched off.
        self.grants_credit = True
        self.relays = True
        self.answers_offers = True
        self.greets_children = True
        # What it makes of the chunks that it passes on.
        self.tamper = bytes
        # What it makes of the source's heads and pulses.
        self.retell = bytes
        for name, handler in {
            "simple-signal[discover]": self.answers.put_nowait,
            "simple-signal[offer]": self._offered,
            "simple-signal[signal]": self._signalled,
            "simple-signal[reject]": self._rejected,
            "peer-tree[assign]": self._assigned,
            "peer-tree[suspect]": self._suspected,
            "peer-tree[error]": self.errors.append,
        }.items():
            self.socket.on(name, handler)

    async def __aenter__(self):
        await self.socket.connect(self.url, transports=["websocket"])
        return self

    async def __aexit__(self, *_):
        await self.vanish()

    # The server

    async def emit(self, event, **payload):
        await self.socket.emit(event, payload)

    async def discover(self, **request):
        await self.emit("simple-signal[discover]", **request)
        return await asyncio.wait_for(self.answers.get(), 10)

    async def join(self, tree, capacity=1):
        """Takes a place in a tree; a link comes with `attach`."""
        answer = await self.discover(treeID=tree, peerTree={"v": 2, "capacity": capacity})
        data = answer["discoveryData"]
        assert "err" not in data, data
        self.id = answer["id"]
        self.stripes = data["peerTree"]["stripes"]
        self.places = {place["stripe"]: place for place in data["peerTree"]["parents"]}
        return self.place

    @property
    def place(self):
        """That in the first stripe, the only one of most trees."""
        return self.places.get(0)

    @property
    def parent(self):
        return self.parents.get(0)

    async def is_heard(self):
        """Waits until the server has taken all that was said so far: it answers in order."""
        await self.discover()

    async def complain(self, reason, epoch=None):
        """Says of the present parent that it is no good."""
        await self.emit("peer-tree[orphaned]", stripe=0, epoch=epoch or self.place["epoch"], reason=reason)

    def _assigned(self, data):
        self.assignments.append(data)
        stripe = data["stripe"]
        self.places[stripe] = {"stripe": stripe, "id": data["parent"], "epoch": data["epoch"], "depth": data.get("depth")}
        # With several stripes a leaf is moved all the time; where it feeds others is what a test is about.
        if stripe in self.parents and self.stripes > 1:
            self.tasks.append(asyncio.create_task(self._attach(stripe, self.next)))
        self.changed.set()

    def _suspected(self, data):
        self.suspects.append(data["id"])
        self.changed.set()

    async def until(self, condition, timeout=10):
        """Waits until something of this peer's is as wished."""
        async with asyncio.timeout(timeout):
            while not condition():
                self.changed.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.changed.wait(), 0.05)

    # Links

    async def connect(self, target, is_mute=False):
        """Offers a link. Returns it open, or, if MUTE, connected without a word; unless it was refused, or the server has
        found another parent for this peer meanwhile."""
        session = secrets.token_hex(8)
        connection = self.connections[session] = Connection(True, is_mute)
        link = Link(connection, target, self._received)

        def send(signal):
            self._emit_later("offer", signal, {"peerTree": {"v": 2}}, session, target)

        connection.on_signal = send
        refusals = len(self.errors)

        def is_settled():
            is_there = connection.is_connected if is_mute else link.opened.is_set()
            is_named = any(place["id"] == target for place in self.places.values())
            return is_there or link.is_closed or len(self.errors) > refusals or not is_named

        await self.until(is_settled)
        return link

    async def attach(self, start=None, window=1024):
        """Lets itself be fed by the parents that the server named."""
        await self.until(lambda: len(self.places) == self.stripes)
        for stripe in range(self.stripes):
            await self._attach(stripe, start, window)
        await self.until(lambda: self.stream is not None)

    async def _attach(self, stripe, start=None, window=1024):
        """Lets itself be fed one stripe, over the link that there is or a new one."""
        place = self.places[stripe]
        links = [link for link in self.parents.values() if link.remote == place["id"] and not link.is_closed]
        link = links[0] if links else await self.connect(place["id"])
        self.parents[stripe] = link
        link.send(wire.subscribe(start, window, self.stream or 0, stripe))
        await self.until(lambda: stripe in self.begun)
        await self.emit("peer-tree[attached]", stripe=stripe, epoch=place["epoch"])

    async def child(self):
        """The link to the first child, once that has asked to be fed."""
        await self.until(lambda: self.children)
        return self.children[0]

    def _offered(self, data):
        self.offers.append(data)
        self.changed.set()
        if not self.answers_offers:
            return
        session, initiator = data["sessionId"], data["initiator"]
        connection = self.connections[session] = Connection(False)
        Link(connection, initiator, self._received)
        connection.on_signal = lambda signal: self._emit_later(
            "signal", signal, {"peerTree": {"v": 2}}, session, initiator
        )
        connection.signal(data["signal"])

    def _signalled(self, data):
        if data["sessionId"] in self.connections:
            self.connections[data["sessionId"]].signal(data["signal"])

    def _rejected(self, data):
        if data["sessionId"] in self.connections:
            self.connections.pop(data["sessionId"]).close()

    def _emit_later(self, name, signal, metadata, session, target):
        payload = {"signal": signal, "metadata": metadata, "sessionId": session, "target": target}
        self.tasks.append(asyncio.create_task(self.emit(f"simple-signal[{name}]", **payload)))

    async def leave(self):
        """Leaves the tree as one should; its links stay."""
        await self.emit("peer-tree[leave]")
        await self.is_heard()
        await self.socket.disconnect()

    async def vanish(self):
        """Is gone without a word, from the server and from all links."""
        if self.socket.connected:
            await self.socket.disconnect()
        closing = [connection.close() for connection in self.connections.values()]
        await asyncio.gather(*(task for task in closing if task))
        self.connections.clear()

    # The stream

    def _received(self, link, frame, data):
        match frame:
            case wire.Subscribed() if link in self.parents.values():
                if not self.begun:
                    self.start = self.next = frame.start
                self.stream, self.policy = frame.stream, frame.policy
                self.begun.add(frame.stripe)
                self.grant()
            case wire.Chunk() if link in self.parents.values():
                self.held[frame.sequence] = data
                self.next = max(self.next, frame.sequence + 1)
                if self.grants_credit:
                    self.grant()
                if self.relays:
                    for child in self.children:
                        if frame.stripe in child.stripes:
                            child.send(self.tamper(data))
            case wire.Head() | wire.Restart() if link is self.parent:
                for child in self.children:
                    child.send(data)
            case wire.Said() if link is self.parent:
                self.said[frame.is_head] = data
                for child in self.children:
                    child.send(self.retell(data))
            case wire.Pulse() if link is self.parent and self.relays:
                for child in self.children:
                    child.send(data)
            case wire.Inquire() if self.parent:
                self.parent.send(data)
            case wire.Subscribe():
                if link not in self.children:
                    self.children.append(link)
                link.stripes.add(frame.stripe)
                if self.greets_children:
                    self.tasks.append(asyncio.create_task(self._greet_once_fed(link, frame)))
            case wire.Unsubscribe():
                link.stripes.discard(frame.stripe)
        self.changed.set()

    def grant(self):
        """Lets the parents send as much as they like."""
        is_complete = any(wire.parse(data).flags & wire.END_OF_STREAM for data in [self.held.get(self.next - 1)] if data)
        for parent in set(self.parents.values()):
            parent.send(wire.credit(self.next + 1024, self.next, is_complete))

    async def _greet_once_fed(self, child, frame):
        """Who is put above others as soon as it comes does not know yet what there is."""
        await self.until(lambda: self.begun)
        self.greet(child, frame)

    def greet(self, child, frame):
        """Feeds a child as it wishes."""
        begin = max(self.start, frame.position) if frame.kind else self.start
        child.send(*(self.retell(self.said[is_head]) for is_head in (True, False) if is_head in self.said))
        child.send(wire.subscribed(self.policy, self.stream, begin, self.next, frame.stripe))
        if self.relays:
            held = [data for sequence, data in sorted(self.held.items()) if sequence >= begin]
            child.send(*(self.tamper(data) for data in held if wire.parse(data).stripe == frame.stripe))
