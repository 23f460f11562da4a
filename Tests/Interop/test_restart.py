"""The server is killed in the middle of a broadcast and started again: the tree is what it was, and nobody notices."""

import contextlib
import hashlib
import json
import os
import signal
import time
import urllib.request

import pytest
from processes import running

K = 2


@pytest.fixture
def peer_tree(program):
    return program("peer-tree")


@pytest.fixture
def source_file(tmp_path):
    path = tmp_path / "stream"
    path.write_bytes(os.urandom(6_000_000))
    return path


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def until(condition, what, timeout=30):
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"after {timeout} s: {what}"
        time.sleep(0.1)


class Server:
    """`peer-tree serve` on one port, which can die and come back."""

    def __init__(self, peer_tree, folder, stack):
        self.command = [peer_tree, "serve", "--k", K, "--k1", K, "--state-key", folder / "state.key", "--json"]
        self.stack = stack
        self.start(0)

    def start(self, port):
        self.process = self.stack.enter_context(running(*self.command, "--port", port))
        self.port = self.process.event("listening")["port"]
        self.address = f"http://127.0.0.1:{self.port}"

    def kill(self):
        self.process.signal(signal.SIGKILL)
        self.process.wait()

    def shape(self, tree):
        """Who hangs under whom, by labels that outlive the server; None while the tree is not known."""
        try:
            with urllib.request.urlopen(f"{self.address}/status?tree={tree}", timeout=5) as answer:
                shape = json.load(answer)
        except OSError:
            return None
        parents = {peer["peer"]: tuple(peer["parents"]) for peer in shape["peers"] if peer["connected"]}
        return {"source": shape["source"], "depth": shape["depth"], "parents": parents}


@contextlib.contextmanager
def broadcast_to(count, peer_tree, source_file, folder):
    """A server, a source that sends for about 20 s, and COUNT viewers that have attached."""
    with contextlib.ExitStack() as stack:
        server = Server(peer_tree, folder, stack)
        source = stack.enter_context(
            running(
                peer_tree, "broadcast", source_file, "--server", server.address, "--k1", K, "--rate", "300k", "--json",
                "--viewers", count,
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
        until(lambda: len((server.shape(tree) or {"parents": {}})["parents"]) == count, "the viewers are not all there")
        time.sleep(1)
        yield stack, server, source, link, viewers


def test_a_killed_server_comes_back_to_the_same_tree_and_no_byte_is_missing(peer_tree, source_file, tmp_path):
    with broadcast_to(8, peer_tree, source_file, tmp_path) as (stack, server, source, link, viewers):
        before = server.shape(link["tree"])
        assert before["depth"] >= 3
        server.kill()
        time.sleep(1)
        server.start(server.port)
        after = until(
            lambda: (shape := server.shape(link["tree"])) and len(shape["parents"]) == 8 and shape,
            "the peers did not all come back",
        )
        assert after == before
        late = tmp_path / "late"
        newcomer = stack.enter_context(running(peer_tree, "watch", link["link"], "--output", late, "--json"))
        newcomer.event("connect")
        for viewer, output in viewers:
            assert viewer.wait(60) == 0, viewer.errors
            assert digest(output) == digest(source_file)
        assert newcomer.wait(60) == 0, newcomer.errors
        assert source_file.read_bytes().endswith(late.read_bytes())
        assert source.wait(60) == 0, source.errors


def test_a_viewer_that_comes_before_its_tree_is_back_waits_for_it(peer_tree, source_file, tmp_path):
    with broadcast_to(1, peer_tree, source_file, tmp_path) as (stack, server, source, link, viewers):
        server.kill()
        # Nobody has come back yet: source and viewer are stopped until the newcomer has asked.
        for peer in (source, viewers[0][0]):
            peer.signal(signal.SIGSTOP)
        server.start(server.port)
        newcomer = stack.enter_context(running(peer_tree, "watch", link["link"], "-o", tmp_path / "early", "--json"))

        def is_waiting():
            with urllib.request.urlopen(f"{server.address}/metrics", timeout=5) as answer:
                return b"\npeer_tree_waiting_joins 1\n" in answer.read()

        until(is_waiting, "the newcomer does not wait")
        for peer in (source, viewers[0][0]):
            peer.signal(signal.SIGCONT)
        newcomer.event("connect")
        for viewer in (newcomer, viewers[0][0]):
            assert viewer.wait(60) == 0, viewer.errors
        assert digest(viewers[0][1]) == digest(source_file)
        assert source_file.read_bytes().endswith((tmp_path / "early").read_bytes())


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
            server.start(server.port)


def test_an_interior_peer_that_dies_while_the_server_is_away_is_replaced_when_it_is_back(
    peer_tree, source_file, tmp_path
):
    with broadcast_to(8, peer_tree, source_file, tmp_path) as (stack, server, source, link, viewers):
        before = server.shape(link["tree"])
        server.kill()
        # The first viewer hangs under the source and feeds others.
        victim, _ = viewers[0]
        victim.signal(signal.SIGKILL)
        time.sleep(1.5)
        server.start(server.port)
        after = until(
            lambda: (shape := server.shape(link["tree"])) and len(shape["parents"]) == 7 and shape,
            "the survivors did not all come back",
        )
        gone = set(before["parents"]) - set(after["parents"])
        assert len(gone) == 1
        unharmed = [peer for peer, parents in before["parents"].items() if not gone & {peer, *parents}]
        assert len(unharmed) >= 4
        moved = {peer for peer in unharmed if after["parents"][peer] != before["parents"][peer]}
        interior = {parent for parents in before["parents"].values() for parent in parents}
        assert not moved & interior, "only leaves may move, into the hole or up"
        for viewer, output in viewers[1:]:
            assert viewer.wait(60) == 0, viewer.errors
            assert digest(output) == digest(source_file)
        assert source.wait(60) == 0, source.errors
