"""The server is killed in the middle of a broadcast and started again: the tree is what it was, and nobody notices."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import threading
import time
import urllib.request

import pytest
from processes import own_port, running
from waiting import until

K = 2


@pytest.fixture
def peer_tree(program):
    return program("peer-tree")


class Stream:
    """What the source reads: 300 kB/s, for as long as the test wants."""

    def __init__(self):
        self.sent = bytearray()
        self.is_over = threading.Event()

    def feed(self, pipe):
        """Begins to write into `pipe`."""
        self.thread = threading.Thread(target=self._write, args=(pipe,), daemon=True)
        self.thread.start()

    def _write(self, pipe):
        with contextlib.suppress(BrokenPipeError), pipe:
            while not self.is_over.wait(0.1):
                piece = os.urandom(30_000)
                pipe.write(piece)
                pipe.flush()
                self.sent += piece

    def end(self):
        self.is_over.set()
        self.thread.join()

    def check(self, path):
        """Fails if not all that was sent is in the file."""
        assert path.read_bytes() == self.sent

    def check_end(self, path):
        """Fails if the file is not the end of what was sent."""
        assert self.sent.endswith(path.read_bytes())


class Server:
    """`peer-tree serve` on one port, which can die and come back."""

    def __init__(self, peer_tree, folder, stack, *options):
        self.command = [peer_tree, "serve", "--k", K, "--k1", K, "--state-key", folder / "state.key", "--json"]
        self.command += options
        self.stack = stack
        self.settling = None
        port = stack.enter_context(own_port())
        self.command += ["--port", port]
        self.address = f"http://127.0.0.1:{port}"
        self.start()

    def start(self):
        self.process = self.stack.enter_context(running(*self.command))
        self.process.event("listening")

    def kill(self):
        self.process.signal(signal.SIGKILL)
        self.process.wait()

    def is_settled(self, tree, count):
        """Whether COUNT viewers have places, as far up as can be, and none has moved for three seconds."""
        shape = self.shape(tree)
        if shape != self.settling:
            self.settling, self.since = shape, time.monotonic()
        if shape is None or len(shape["parents"]) < count or None in sum(shape["parents"].values(), ()):
            return False
        depth, room = 0, 0
        while room < count:
            depth += 1
            room += K**depth
        return shape["depth"] == depth and time.monotonic() > self.since + 3

    def shape(self, tree):
        """Who hangs under whom, by labels that outlive the server; None while the tree is not known."""
        try:
            with urllib.request.urlopen(f"{self.address}/status?tree={tree}", timeout=30) as answer:
                shape = json.load(answer)
        except OSError:
            return None
        parents = {peer["peer"]: tuple(peer["parents"]) for peer in shape["peers"] if peer["connected"]}
        return {"source": shape["source"], "depth": shape["depth"], "parents": parents}

    def shape_when_back(self, tree, before, count):
        """The tree once its source and COUNT viewers are back: until then, whoever's parent is still to come has none."""

        def whole():
            shape = self.shape(tree)
            if shape is None or shape["source"] != before["source"] or len(shape["parents"]) != count:
                return None
            return None if None in sum(shape["parents"].values(), ()) else shape

        return until(whole, f"the source and {count} viewers are not all back")


@contextlib.contextmanager
def broadcast_to(count, peer_tree, folder, *options):
    """A server, a source that sends until the stream is ended, and COUNT viewers in a tree that has settled."""
    with contextlib.ExitStack() as stack:
        stream = Stream()
        server = Server(peer_tree, folder, stack, *options)
        source = stack.enter_context(
            running(
                peer_tree, "broadcast", "-", "--server", server.address, "--k1", K, "--json", "--viewers", count,
                stdin=subprocess.PIPE,
            )
        )
        link = source.event("link")
        viewers = []
        for number in range(count):
            output = folder / f"out{number}"
            viewers.append(
                (stack.enter_context(running(peer_tree, "watch", link["link"], "--output", output, "--json")), output)
            )
        for viewer, _ in viewers:
            viewer.event("connect")
        tree = link["tree"]
        until(lambda: server.is_settled(tree, count), "the tree has not settled")
        stream.feed(source.process.stdin)
        yield stack, server, source, stream, link, viewers


def test_a_killed_server_comes_back_to_the_same_tree_and_no_byte_is_missing(peer_tree, tmp_path):
    with broadcast_to(8, peer_tree, tmp_path) as (stack, server, source, stream, link, viewers):
        before = server.shape(link["tree"])
        assert before["depth"] >= 3
        server.kill()
        time.sleep(1)
        server.start()
        after = server.shape_when_back(link["tree"], before, 8)
        assert after == before
        late = tmp_path / "late"
        newcomer = stack.enter_context(running(peer_tree, "watch", link["link"], "--output", late, "--json"))
        newcomer.event("connect")
        stream.end()
        for viewer, output in viewers:
            assert viewer.wait(60) == 0, viewer.errors
            stream.check(output)
        assert newcomer.wait(60) == 0, newcomer.errors
        stream.check_end(late)
        assert source.wait(60) == 0, source.errors


def test_a_viewer_that_comes_before_its_tree_is_back_waits_for_it(peer_tree, tmp_path):
    # However long a busy machine takes to start the newcomer.
    with broadcast_to(1, peer_tree, tmp_path, "--restore-wait", 60) as (stack, server, source, stream, link, viewers):
        server.kill()
        # Nobody has come back yet: source and viewer are stopped until the newcomer has asked.
        for peer in (source, viewers[0][0]):
            peer.signal(signal.SIGSTOP)
        server.start()
        newcomer = stack.enter_context(running(peer_tree, "watch", link["link"], "-o", tmp_path / "early", "--json"))

        def is_waiting():
            with urllib.request.urlopen(f"{server.address}/metrics", timeout=5) as answer:
                return b"\npeer_tree_waiting_joins 1\n" in answer.read()

        until(is_waiting, "the newcomer does not wait")
        for peer in (source, viewers[0][0]):
            peer.signal(signal.SIGCONT)
        newcomer.event("connect")
        stream.end()
        for viewer in (newcomer, viewers[0][0]):
            assert viewer.wait(60) == 0, viewer.errors
        stream.check(viewers[0][1])
        stream.check_end(tmp_path / "early")


def test_a_viewer_whose_tree_does_not_come_back_is_refused_in_time(peer_tree, tmp_path):
    with contextlib.ExitStack() as stack:
        server = Server(peer_tree, tmp_path, stack)
        # The first run made the key and has nothing to wait for, the second may have had the tree.
        link = f"{server.address}/watch/c{'0' * 24}"
        for _ in range(2):
            viewer = stack.enter_context(running(peer_tree, "watch", link, "-o", tmp_path / "none"))
            assert viewer.wait(30) == 69
            assert "No tree has the id" in viewer.error_text
            server.kill()
            server.start()


def test_an_interior_peer_that_dies_while_the_server_is_away_is_replaced_when_it_is_back(peer_tree, tmp_path):
    with broadcast_to(8, peer_tree, tmp_path) as (stack, server, source, stream, link, viewers):
        before = server.shape(link["tree"])
        server.kill()
        # The first viewer hangs under the source and feeds others.
        victim, _ = viewers[0]
        victim.signal(signal.SIGKILL)
        time.sleep(1.5)
        server.start()
        after = server.shape_when_back(link["tree"], before, 7)
        gone = set(before["parents"]) - set(after["parents"])
        assert len(gone) == 1
        unharmed = [peer for peer, parents in before["parents"].items() if not gone & {peer, *parents}]
        assert len(unharmed) >= 4
        moved = {peer for peer in unharmed if after["parents"][peer] != before["parents"][peer]}
        interior = {parent for parents in before["parents"].values() for parent in parents}
        assert not moved & interior, f"only leaves may move, into the hole or up: {before}, {after}"
        stream.end()
        for viewer, output in viewers[1:]:
            assert viewer.wait(60) == 0, viewer.errors
            stream.check(output)
        assert source.wait(60) == 0, source.errors


def test_a_server_that_dies_is_followed_by_another_of_the_list_and_no_byte_is_missing(peer_tree, tmp_path):
    with contextlib.ExitStack() as stack:
        stream = Stream()
        first = Server(peer_tree, tmp_path, stack)
        second = Server(peer_tree, tmp_path, stack)
        second.kill()
        # Takes connections, as the kernel of a stopped process does, and never says anything.
        silent = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        others = f"{second.address},http://127.0.0.1:{silent.getsockname()[1]}"
        command = ["broadcast", "-", "--server", f"{first.address},{others}", "--k1", K, "--json", "--viewers", 4]
        source = stack.enter_context(running(peer_tree, *command, stdin=subprocess.PIPE))
        link = source.event("link")
        outputs = [tmp_path / f"out{number}" for number in range(4)]
        command = ["watch", link["link"], "--server", others, "--json"]
        viewers = [stack.enter_context(running(peer_tree, *command, "--output", output)) for output in outputs]
        for viewer in viewers:
            viewer.event("connect")
        until(lambda: first.is_settled(link["tree"], 4), "the tree has not settled")
        before = first.shape(link["tree"])
        stream.feed(source.process.stdin)
        first.kill()
        second.start()
        assert second.shape_when_back(link["tree"], before, 4) == before
        stream.end()
        for viewer, output in zip(viewers, outputs, strict=True):
            assert viewer.wait(60) == 0, viewer.errors
            stream.check(output)
        assert source.wait(60) == 0, source.errors
