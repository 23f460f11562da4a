"""A broadcast across NATs, with the commands as anybody would run them: the server hands out STUN and TURN."""

import contextlib
import hashlib
import os
import time

import lab as laboratories
import pytest
from processes import running


@pytest.fixture
def content(tmp_path):
    path = tmp_path / "content.bin"
    path.write_bytes(os.urandom(3_000_000))
    return path


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@contextlib.contextmanager
def broadcast(lab, program, content, *options):
    """A server on the public network, told of the TURN server, and a broadcast from host a; its link."""
    environment = {**os.environ, "PEER_TREE_TURN_SECRET": laboratories.SECRET}
    command = [program("peer-tree"), "serve", "--host", laboratories.SERVER, "--port", "3000", "--json"]
    servers = ["--stun", lab.stun, "--turn", f"turn:{laboratories.SERVER}:3478"]
    with running(*lab.enter("net"), *command, *servers, env=environment) as server:
        server.event("listening")
        url = f"http://{laboratories.SERVER}:3000"
        send = [program("peer-tree"), "broadcast", content, "--server", url, "--json", *options]
        with running(*lab.enter("a"), *send) as source:
            yield source, source.event("link")["link"]


def test_a_broadcast_crosses_symmetric_nats_with_the_servers_credentials(lab, program, content, tmp_path):
    lab.symmetric("a")
    lab.symmetric("b")
    lab.start_turn()
    output = tmp_path / "received.bin"
    with broadcast(lab, program, content) as (source, link):
        with running(*lab.enter("b"), program("peer-tree"), "watch", link, "--output", output) as viewer:
            assert viewer.wait() == 0, viewer.error_text
        assert source.wait() == 0, source.error_text
    assert digest(output) == digest(content)


def watch_through(accident, lab, program, content, output):
    """A viewer on b to whose network something happens midway, and who misses nothing all the same."""
    with broadcast(lab, program, content, "--rate", "500k") as (source, link):
        with running(*lab.enter("b"), program("peer-tree"), "watch", link, "--output", output, "--json") as viewer:
            viewer.event("connect")
            await_bytes(output, 500_000)
            accident()
            assert viewer.wait() == 0, viewer.error_text
        assert source.wait() == 0, source.error_text
    assert digest(output) == digest(content)


def test_a_viewer_whose_address_changes_misses_nothing(lab, program, content, tmp_path):
    lab.behind_nat("a")
    lab.public("b")
    lab.start_turn()
    watch_through(lambda: lab.move("b", "203.0.113.21"), lab, program, content, tmp_path / "received.bin")


def test_a_viewer_misses_nothing_when_the_turn_server_restarts(lab, program, content, tmp_path):
    lab.symmetric("a")
    lab.symmetric("b")
    lab.start_turn()

    def restart():
        lab.stop_turn()
        lab.start_turn()

    watch_through(restart, lab, program, content, tmp_path / "received.bin")


def await_bytes(output, count, timeout=30):
    """Waits until so much of a file that is being received is there."""
    partial = output.with_name(output.name + ".part")
    end = time.monotonic() + timeout
    while not partial.exists() or partial.stat().st_size < count:
        assert time.monotonic() < end, "the stream does not flow"
        time.sleep(0.05)
