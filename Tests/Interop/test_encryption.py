"""Encrypted broadcasts: who has the link reads them, and nobody in between."""

import contextlib
import json
import re
import subprocess
import urllib.error
import urllib.request

import pytest
from hostile_peer import HostilePeer
from processes import run, running
from stage import eventually, in_thread

PLAIN = b"The words that nobody on the way may read. "
WRONG = "A" * 43


@pytest.fixture
def peer_tree(program):
    return program("peer-tree")


class Broadcast:
    """An encrypting source that waits to be told to go on, under a server that logs all that it can."""

    def __init__(self, stack, peer_tree, *options):
        command = ["serve", "--port", 0, "--k", 1, "--k1", 1, "--json", "--log-level", "trace"]
        self.server = stack.enter_context(running(peer_tree, *command))
        self.url = f"http://127.0.0.1:{self.server.event('listening')['port']}"
        command = ["broadcast", "-", "--encrypt", "--server", self.url, "--k1", 1, "--linger", 10, "--json", *options]
        self.source = stack.enter_context(running(peer_tree, *command, stdin=subprocess.PIPE))
        told = self.source.event("link")
        self.link, self.tree = told["link"], told["tree"]
        self.secret = re.fullmatch(rf"{re.escape(self.url)}/watch/{self.tree}#key=([\w-]{{43}})", self.link)[1]

    def write(self, data):
        self.source.process.stdin.write(data)
        self.source.process.stdin.flush()

    def end(self):
        self.source.process.stdin.close()


@pytest.fixture
def broadcast(peer_tree):
    with contextlib.ExitStack() as stack:
        yield lambda *options: Broadcast(stack, peer_tree, *options)


async def test_neither_relay_nor_server_sees_the_secret_or_what_is_said(broadcast, peer_tree, tmp_path):
    told = await in_thread(broadcast)
    captured = []
    async with HostilePeer(told.url) as relay:
        keep = relay._received
        relay._received = lambda link, frame, data: (captured.append(bytes(data)), keep(link, frame, data))
        relay.socket.on("*", lambda event, data: captured.append(json.dumps([event, data]).encode()))
        await relay.join(told.tree)
        await relay.attach()
        path = tmp_path / "viewer"
        with running(peer_tree, "watch", told.link, "-o", path, "--json") as viewer:
            await in_thread(viewer.event, "connect")
            for _ in range(20):
                await in_thread(told.write, PLAIN * 100)
            await in_thread(told.end)
            assert (await in_thread(viewer.event, "end"))["bytes"] == len(PLAIN) * 2000
            assert await in_thread(viewer.wait, 20) == 0
        for page in ["status", "metrics", f"watch/{told.tree}", f"status?tree={told.tree}"]:
            try:
                with urllib.request.urlopen(f"{told.url}/{page}", timeout=10) as answer:
                    captured.append(answer.read())
            except urllib.error.HTTPError as error:
                captured.append(error.read())
    assert path.read_bytes() == PLAIN * 2000
    assert sum(map(len, captured)) > len(PLAIN) * 2000, "the relay has carried the stream"
    told.server.process.terminate()
    await in_thread(told.server.wait, 10)
    logs = told.server.error_text.encode()
    while (line := told.server.lines.get()) is not None:
        captured.append(line.encode())
    assert b"peer-tree.server" in logs and b"peer_tree_" in b"".join(captured), "the server has told what it knows"
    for piece in [*captured, logs]:
        assert PLAIN[:12] not in piece
        assert told.secret.encode() not in piece


@pytest.mark.parametrize("fragment, reason", [("", "secret-missing"), (f"#key={WRONG}", "wrong-secret")])
async def test_without_the_key_a_viewer_says_so_and_passes_the_stream_on(broadcast, peer_tree, tmp_path, fragment, reason):
    told = await in_thread(broadcast)
    locked = tmp_path / "locked"
    open_ = tmp_path / "open"
    with running(peer_tree, "watch", told.link.partition("#")[0] + fragment, "-o", locked, "--json") as above:
        await in_thread(above.event, "connect")
        with running(peer_tree, "watch", told.link, "-o", open_, "--json") as below:
            await in_thread(below.event, "connect")
            await in_thread(told.write, PLAIN * 100)
            assert (await in_thread(above.event, "unreadable"))["reason"] == reason
            await in_thread(told.end)
            assert await in_thread(below.wait, 20) == 0
        assert await in_thread(above.wait, 20) == 77
    assert open_.read_bytes() == PLAIN * 100
    assert not locked.exists()
    assert ("has no key" if fragment == "" else "does not open") in above.error_text


async def test_what_a_relay_changes_is_left_out_and_reported(broadcast, peer_tree, tmp_path):
    # Every write is a message, and nothing is said of what they are.
    told = await in_thread(broadcast, "--raw", "--unsigned")
    path = tmp_path / "viewer"
    async with HostilePeer(told.url) as relay:
        await relay.join(told.tree)
        await relay.attach()
        relay.relays = False
        with running(peer_tree, "watch", told.link, "-o", path, "--json") as viewer:
            child = await relay.child()
            for number in range(4):
                await in_thread(told.write, PLAIN)
                await relay.until(lambda: number in relay.held)
                data = relay.held[number]
                child.send(data[:-1] + bytes([data[-1] ^ 1]) if number == 2 else data)
            assert (await in_thread(viewer.event, "unreadable"))["reason"] == "changed"
            part = path.with_name("viewer.part")
            await eventually(lambda: part.stat().st_size >= 3 * len(PLAIN), lambda: part.stat().st_size, 10)
            assert part.read_bytes() == PLAIN * 3


async def test_unencrypted_messages_are_not_taken_where_the_link_has_a_key(peer_tree, tmp_path):
    with running(peer_tree, "serve", "--port", 0, "--json") as server:
        url = f"http://127.0.0.1:{(await in_thread(server.event, 'listening'))['port']}"
        command = ["broadcast", "-", "--server", url, "--viewers", 1, "--json"]
        with running(peer_tree, *command, stdin=subprocess.PIPE) as source:
            link = (await in_thread(source.event, "link"))["link"]
            with running(peer_tree, "watch", f"{link}#key={WRONG}", "-o", tmp_path / "x", "--json") as viewer:
                source.process.stdin.write(PLAIN)
                source.process.stdin.close()
                assert (await in_thread(viewer.event, "unreadable"))["reason"] == "not-encrypted"
                assert await in_thread(viewer.wait, 20) == 77


async def test_original_clients_are_refused_with_a_sentence(broadcast):
    told = await in_thread(broadcast)
    async with HostilePeer(told.url) as original:
        answer = await original.discover(treeID=told.tree)
    assert "is encrypted" in answer["discoveryData"]["err"]


def test_a_link_that_was_cut_is_refused_without_showing_what_is_left_of_its_key(peer_tree, tmp_path):
    cut = "B" * 40
    command = [peer_tree, "watch", f"http://127.0.0.1:1/watch/T#key={cut}", "-o", tmp_path / "x"]
    done = subprocess.run(command, capture_output=True, timeout=30, text=True)
    assert done.returncode == 64
    assert "not whole" in done.stderr and "40 characters" in done.stderr
    assert cut not in done.stderr + done.stdout


def test_with_an_identity_the_link_stays_the_same(peer_tree, tmp_path):
    identity, clip = tmp_path / "identity", tmp_path / "clip"
    clip.write_bytes(b"a few bytes")

    def link(*options):
        command = [peer_tree, "broadcast", clip, "--viewers", 0, "--linger", 0, "--json", "--identity", identity, *options]
        done = run(command, 30, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[0])["link"].partition(":")[2].partition("/watch/")[2]

    first = link("--encrypt")
    assert "#key=" in first
    assert link("--encrypt") == first
    assert link() == first.partition("#")[0]
    assert identity.stat().st_mode & 0o777 == 0o600
    # A key of another program's gets a secret when it needs one.
    lines = identity.read_text().splitlines(keepends=True)
    identity.write_text("".join(lines[:3]))
    assert link() == first.partition("#")[0]
    assert identity.read_text() == "".join(lines[:3])
    second = link("--encrypt")
    assert second.partition("#")[0] == first.partition("#")[0] and second != first
    assert link("--encrypt") == second
    identity.write_text("".join(lines[:4]) + "not a secret\n")
    refused = run([peer_tree, "broadcast", clip, "--identity", identity], 30, capture_output=True, text=True)
    assert refused.returncode == 66 and "the secret in it was changed" in refused.stderr
