"""A broadcast among strangers: a server, an honest source whose bytes are known, honest viewers, and peers that lie."""

import asyncio
import contextlib
import hashlib
import json
import random
import re
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from hostile_peer import HostilePeer
from processes import own_port, running

# How soon after a liar has gone everybody must be whole again.
RECOVERY = 5


def digest(data):
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


async def in_thread(function, *arguments):
    """Waits for something that blocks while the peers of this process go on."""
    return await asyncio.get_running_loop().run_in_executor(None, function, *arguments)


async def eventually(condition, what, within):
    end = time.monotonic() + within
    while not condition():
        assert time.monotonic() < end, f"not within {within} s: {what()}"
        await asyncio.sleep(0.02)


class NativeViewer:
    """`peer-tree watch`, and the file that it writes."""

    def __init__(self, scene):
        self.path = scene.folder / f"viewer{scene.opened}"
        scene.opened += 1
        command = ["watch", scene.link, "--output", self.path, "--json"]
        self.process = scene.stack.enter_context(running(scene.peer_tree, *command))
        self.events = []

    @classmethod
    async def fed(cls, scene):
        viewer = cls(scene)
        await viewer.event("connect")
        return viewer

    async def event(self, name, timeout=10):
        """Waits for an event; those before it are kept."""
        while True:
            event = json.loads(await in_thread(self.process.line, timeout))
            self.events.append(event)
            if event["event"] == name:
                return event

    async def reports_gaps(self, count):
        """Waits for so many reports of something missing; no more may come."""
        await eventually(lambda: self.check() or len(self.gaps()) >= count, self.state, RECOVERY)
        assert len(self.gaps()) == count, self.state()

    def gaps(self):
        self._read()
        return [event for event in self.events if event["event"] == "gap"]

    def last(self, name):
        """The newest event of this name so far."""
        self._read()
        return next(event for event in reversed(self.events) if event["event"] == name)

    def _read(self):
        while not self.process.lines.empty():
            line = self.process.lines.get()
            if line is None:
                self.process.lines.put(None)
                break
            self.events.append(json.loads(line))

    def received(self):
        return next((path.read_bytes() for path in self._files()), b"")

    def size(self):
        return next((path.stat().st_size for path in self._files()), 0)

    def _files(self):
        """What is written has its name once the stream is complete."""
        return (path for path in [self.path, Path(f"{self.path}.part")] if path.exists())

    async def holds(self, data, within):
        """Waits for these bytes, and no others."""
        await eventually(lambda: self.check() or self.size() >= len(data), self.state, within)
        assert digest(self.received()) == digest(data), self.state()

    async def ends_with(self, data, within):
        """Waits until these are the last bytes that came."""
        await eventually(lambda: self.check() or self.received().endswith(data), self.state, within)

    def check(self):
        """Fails if the process has died."""
        code = self.process.process.poll()
        assert code in (None, 0), f"a viewer ended with {code}: {self.process.error_text[-2000:]}"

    def state(self):
        return f"{self.size()} bytes at {self.path.name}, events {self.events}"

    async def finish(self, within=RECOVERY):
        """Waits for the end of the stream."""
        assert await in_thread(self.process.wait, within) == 0, self.process.error_text


class Line:
    """What connects the source to the server, and can be cut."""

    def __init__(self, port, server_port):
        self.port = port
        self.server_port = server_port
        self.writers = set()

    async def restore(self):
        self.listener = await asyncio.start_server(self._accept, "127.0.0.1", self.port)

    async def cut(self):
        self.listener.close()
        for writer in self.writers:
            writer.close()
        await eventually(lambda: not self.writers, lambda: "the line is still held", 5)

    async def _accept(self, reader, writer):
        other_reader, other_writer = await asyncio.open_connection("127.0.0.1", self.server_port)
        pair = {writer, other_writer}
        self.writers |= pair
        await asyncio.gather(self._pass(reader, other_writer), self._pass(other_reader, writer))
        self.writers -= pair

    async def _pass(self, reader, writer):
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
        writer.close()

    async def __aenter__(self):
        await self.restore()
        return self

    async def __aexit__(self, *_):
        await self.cut()


class Stage:
    """`async with stage(...)`: who is on it leaves with it."""

    def __init__(self, stack, peer_tree, folder, open_viewer):
        self.stack = stack
        self.peer_tree = peer_tree
        self.folder = folder
        self.open_viewer = open_viewer
        self.viewers = []
        # Native viewers so far; those that a test took out are counted, too.
        self.opened = 0
        self.random = random.Random(1)
        self.sent = bytearray()

    async def open(self, k, k1, *options, serve=()):
        server = running(self.peer_tree, "serve", "--port", 0, "--k", k, "--k1", k1, "--json", *serve)
        self.server = self.stack.enter_context(server)
        port = (await in_thread(self.server.event, "listening"))["port"]
        self.url = f"http://127.0.0.1:{port}"
        line_port = self.stack.enter_context(own_port())
        self.line = await self.stack.enter_async_context(Line(line_port, port))
        line = f"http://127.0.0.1:{line_port}"
        command = ["broadcast", "-", "--raw", "--server", line, "--k1", k1, "--linger", 1, "--json", *options]
        self.source = self.stack.enter_context(running(self.peer_tree, *command, stdin=subprocess.PIPE))
        self.tree = (await in_thread(self.source.event, "link"))["tree"]
        self.link = f"{self.url}/watch/{self.tree}"

    async def feed(self, size=20_000, within=10):
        """Has the source send so many bytes more, which it may have to wait for."""
        piece = self.random.randbytes(size)
        self.sent += piece

        def write():
            self.source.process.stdin.write(piece)
            self.source.process.stdin.flush()

        await asyncio.wait_for(in_thread(write), within)

    async def feed_slowly(self):
        """Has the source send 400,000 bytes in a second and more, so that nobody may ask for more than that in one."""
        for _ in range(20):
            await self.feed()
            await self.everybody_is_whole()
            await asyncio.sleep(0.05)

    async def end(self):
        """The source's input is over."""
        await in_thread(self.source.process.stdin.close)

    async def liar(self, capacity=1):
        """A hostile peer with a place in the tree; not linked yet."""
        peer = await self.stack.enter_async_context(HostilePeer(self.url))
        await peer.join(self.tree, capacity)
        return peer

    async def relay(self):
        """A hostile peer that feeds the next to come, and has done nothing wrong yet."""
        peer = await self.liar()
        await peer.attach()
        return peer

    async def child_of_victim(self):
        """The source feeds a victim, and that an honest viewer and a hostile peer; the hostile one is not linked yet."""
        victim = await self.victim()
        await self.bystander()
        return victim, await self.liar()

    async def victim(self):
        """The next place in the tree goes to an honest viewer of the kind under test, which is fed."""
        viewer = await self.open_viewer(self)
        self.viewers.append(viewer)
        return viewer

    async def bystander(self):
        """The next place in the tree goes to an honest native viewer, which is fed."""
        viewer = await NativeViewer.fed(self)
        self.viewers.append(viewer)
        return viewer

    async def crowd(self, count):
        """So many viewers, which are fed, each with the label by which the server calls it; the first of them are relays."""
        for _ in range(count):
            known = self.parents()
            viewer = await self.bystander()
            (viewer.label,) = self.parents().keys() - known.keys()
        await self.feed()
        await self.everybody_is_whole()

    async def feed_for(self, seconds, size):
        """Thirty messages a second, of so many bytes."""
        for _ in range(int(30 * seconds)):
            await self.feed(size)
            await asyncio.sleep(1 / 30)

    async def everybody_is_whole(self, within=RECOVERY):
        """Everyone honest has what was sent, in time."""
        for viewer in self.viewers:
            await viewer.holds(self.sent, within)

    async def everybody_goes_on(self):
        """After a liar is gone: what is sent now comes, too, and the end of it. Nothing was ever missing."""
        await self.feed()
        await self.everybody_is_whole()
        await self.end()
        for viewer in self.viewers:
            await viewer.finish()
            await viewer.reports_gaps(0)
        self.check()

    def count(self, name):
        """What the server has counted; 0 if it has not."""
        found = re.search(rf"^peer_tree_{name}_total (\d+)$", self._ask("metrics"), re.MULTILINE)
        return int(found[1]) if found else 0

    def parents(self, stripe=0):
        """The parent of every viewer, as the server sees them, by its labels."""
        peers = json.loads(self._ask(f"status?tree={self.tree}"))["peers"]
        return {peer["peer"]: peer["parents"][stripe] for peer in peers}

    def is_over(self):
        """Whether the server has no such tree any more."""
        try:
            return not self._ask(f"status?tree={self.tree}")
        except urllib.error.HTTPError as error:
            return error.code == 404

    def _ask(self, path):
        with urllib.request.urlopen(f"{self.url}/{path}", timeout=10) as answer:
            return answer.read().decode()

    def check(self):
        """Fails if the server or the source has died."""
        for process in [self.server, self.source]:
            code = process.process.poll()
            assert code in (None, 0), f"{process.command} ended with {code}: {process.error_text[-2000:]}"


@contextlib.asynccontextmanager
async def stage(peer_tree, folder, open_viewer=NativeViewer.fed, *, k=1, k1=1, identity=None, options=(), serve=()):
    async with contextlib.AsyncExitStack() as stack:
        scene = Stage(stack, peer_tree, folder, open_viewer)
        # Most hostile peers speak the frames of unsigned trees: no signature protects anybody there.
        await scene.open(k, k1, *(["--identity", identity] if identity else ["--unsigned"]), *options, serve=serve)
        yield scene
