"""What one message or one clumsy client did to the original server, done to ours over real sockets.

After each the server must still serve a source and a viewer, and its figures must be what they were.
"""

import contextlib
import json
import queue
import time
import urllib.request

import pytest
import socketio
from processes import running

DISCOVER, OFFER, SIGNAL = "simple-signal[discover]", "simple-signal[offer]", "simple-signal[signal]"
SDP = {"type": "offer", "sdp": "v=0"}


class Client:
    """A client of the original's generation that keeps what it is sent."""

    def __init__(self, port):
        self.io = socketio.Client(reconnection=False)
        self.inbox = queue.Queue()
        self.io.on("*", lambda event, *arguments: self.inbox.put((event, *arguments)))
        self.io.connect(f"http://127.0.0.1:{port}", transports=["websocket"])

    def emit(self, event, *arguments):
        self.io.emit(event, arguments or None)

    def answer(self, event, timeout=10):
        while True:
            name, *arguments = self.inbox.get(timeout=timeout)
            if name == event:
                return arguments[0]

    def discover(self, **request):
        self.emit(DISCOVER, request)
        return self.answer(DISCOVER)


@pytest.fixture(scope="module")
def port(program):
    with running(program("peer-tree"), "serve", "--port", 0, "--k", 2, "--k1", 2, "--json") as server:
        yield server.event("listening")["port"]
        assert server.process.poll() is None, "the server has ended"


@pytest.fixture
def client(port):
    """client() is a new connected client; all are closed after the test."""
    with contextlib.ExitStack() as stack:

        def connect():
            made = Client(port)
            stack.callback(made.io.disconnect)
            return made

        yield connect


def status(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/status", timeout=5) as answer:
        return json.load(answer)


def wait_until_empty(port):
    """The clients of the test before may still be going."""
    deadline = time.monotonic() + 10
    while any((now := status(port))[name] for name in ("clients", "trees", "peers")):
        assert time.monotonic() < deadline, f"{now} is left"
        time.sleep(0.05)


def serves(client):
    """Whether a source and a viewer are introduced to each other."""
    source, viewer = client(), client()
    made = source.discover(createNew=True)
    tree = made["discoveryData"]["treeID"]
    found = viewer.discover(treeID=tree)
    assert found["discoveryData"] == {"peers": [made["id"]], "treeID": tree}
    viewer.emit(OFFER, {"signal": SDP, "metadata": None, "sessionId": "S", "target": made["id"]})
    assert source.answer(OFFER) == {"initiator": found["id"], "sessionId": "S", "signal": SDP, "metadata": None}
    return True


@pytest.mark.parametrize("event, arguments", [
    (DISCOVER, [{"treeID": "__proto__"}]),
    (DISCOVER, [{"treeID": "toString"}]),
    (DISCOVER, [{"treeID": {}}]),
    (DISCOVER, []),
    (OFFER, []),
    (OFFER, [None]),
    (OFFER, [{"signal": None, "sessionId": "S", "target": "toString"}]),
    (SIGNAL, []),
    (SIGNAL, [{"signal": None, "sessionId": "S", "target": "x"}]),
    (SIGNAL, [{"signal": SDP, "sessionId": "S", "target": "__proto__"}]),
    ("simple-signal[reject]", [{"target": "constructor", "sessionId": "__proto__"}]),
])
@pytest.mark.parametrize("role", ["stranger", "source", "viewer"])
def test_one_message_that_crashed_the_original_changes_nothing(client, event, arguments, role):
    hostile = client()
    if role == "source":
        hostile.discover(createNew=True)
    if role == "viewer":
        tree = client().discover(createNew=True)["discoveryData"]["treeID"]
        hostile.discover(treeID=tree)
    hostile.emit(event, *arguments)
    assert serves(client)


def test_a_viewer_that_discovers_its_own_tree_again_and_again_is_in_it_once(client, port):
    wait_until_empty(port)
    tree = client().discover(createNew=True)["discoveryData"]["treeID"]
    viewer = client()
    for _ in range(50):
        assert len(viewer.discover(treeID=tree)["discoveryData"]["peers"]) == 1
    assert status(port)["peers"] == 2
    assert serves(client)


def test_a_source_cannot_become_its_own_child(client):
    source = client()
    tree = source.discover(createNew=True)["discoveryData"]["treeID"]
    assert "err" in source.discover(treeID=tree)["discoveryData"]
    assert serves(client)


def test_nobody_signals_before_it_is_in_a_tree(client):
    source, stranger = client(), client()
    identity = source.discover(createNew=True)["id"]
    stranger.emit(OFFER, {"signal": SDP, "metadata": None, "sessionId": "S", "target": identity})
    assert stranger.answer("peer-tree[error]")["code"] == "not-a-member"
    assert serves(client)
    assert all(event != OFFER for event, *_ in list(source.inbox.queue))


def test_peers_that_came_and_went_leave_nothing_behind(client, port):
    wait_until_empty(port)
    tree_holder = client()
    tree = tree_holder.discover(createNew=True)["discoveryData"]["treeID"]
    for _ in range(20):
        viewer = Client(port)
        viewer.discover(treeID=tree)
        viewer.io.disconnect()
    tree_holder.io.disconnect()
    wait_until_empty(port)
