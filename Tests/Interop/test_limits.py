"""The limits of the signalling server over real sockets: what is above each is refused, told to the client and counted."""

import contextlib
import json
import re
import socket
import struct
import time
import urllib.error
import urllib.request

import pytest
from engine import Endpoint
from processes import running


class Server:
    def __init__(self, process):
        self.process = process
        self.port = process.event("listening")["port"]
        self.endpoint = Endpoint(self.port, "/socket.io/")
        # Whoever is in no variable stays connected all the same: a source that goes takes its tree along.
        self.clients = []

    def count(self, name):
        """A figure of /metrics; 0 if it is not there yet."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10) as answer:
            found = re.search(rf"^{re.escape(name)} (\S+)$", answer.read().decode(), re.MULTILINE)
        return float(found[1]) if found else 0

    def told(self, code):
        return self.count(f'peer_tree_refusals_total{{code="{code}"}}')

    def turned_away(self, reason):
        return self.count(f'peer_tree_transport_refusals_total{{reason="{reason}"}}')

    def until(self, condition, what):
        end = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < end, what
            time.sleep(0.05)


class Client:
    """A client of the main namespace over a WebSocket."""

    def __init__(self, server):
        server.clients.append(self)
        self.socket = server.endpoint.web_socket()
        self.socket.receive()
        self.socket.send("40")
        assert self.socket.receive().startswith("40{")

    def emit(self, event, payload):
        self.socket.send("42" + json.dumps([event, payload]))

    def next(self, event):
        """The payload of the next event of this name."""
        while True:
            packet = self.socket.receive(skipping=("2",))
            name, payload = json.loads(packet.removeprefix("42"))
            if name == event:
                return payload

    def discover(self, **request):
        self.emit("simple-signal[discover]", {"peerTree": {"v": 2}, **request})
        return self.next("simple-signal[discover]")["discoveryData"]

    def close(self):
        self.socket.close()


@pytest.fixture
def serve(program):
    with contextlib.ExitStack() as stack:

        def start(*options):
            process = running(program("peer-tree"), "serve", "--port", 0, "--json", *options)
            return Server(stack.enter_context(process))

        yield start


def test_a_socket_creates_no_more_trees_than_it_may(serve):
    server = serve("--max-trees-per-socket", 2)
    client = Client(server)
    for _ in range(2):
        assert client.discover(createNew=True)["treeID"]
        client.emit("peer-tree[leave]", {})
    assert client.discover(createNew=True)["code"] == "too-many-trees"
    assert server.told("too-many-trees") == 1
    assert Client(server).discover(createNew=True)["treeID"]


def test_trees_and_peers_of_the_server_an_address_and_a_tree_are_bounded(serve):
    server = serve("--max-trees", 2, "--max-trees-per-address", 1)
    assert Client(server).discover(createNew=True)["treeID"]
    assert Client(server).discover(createNew=True)["code"] == "too-many-trees"
    server = serve("--max-trees", 1)
    assert Client(server).discover(createNew=True)["treeID"]
    assert Client(server).discover(createNew=True)["code"] == "server-full"
    assert server.told("server-full") == 1
    server = serve("--max-peers-per-tree", 2)
    tree = Client(server).discover(createNew=True)["treeID"]
    assert Client(server).discover(treeID=tree)["treeID"] == tree
    assert Client(server).discover(treeID=tree)["code"] == "tree-full"
    assert server.told("tree-full") == 1
    server = serve("--max-peers", 1)
    tree = Client(server).discover(createNew=True)["treeID"]
    assert Client(server).discover(treeID=tree)["code"] == "server-full"


def test_an_address_joins_no_faster_than_it_may(serve):
    server = serve("--joins-per-second-per-address", 1, "--join-burst-per-address", 2)
    tree = Client(server).discover(createNew=True)["treeID"]
    answers = [Client(server).discover(treeID=tree).get("code") for _ in range(4)]
    assert answers[:2] == [None, None]
    assert "too-many-joins" in answers[2:]
    assert server.told("too-many-joins") >= 1


def test_events_above_the_rate_are_dropped_and_their_sender_is_told(serve):
    server = serve("--events-per-second", 1, "--event-burst", 5)
    client = Client(server)
    for _ in range(30):
        client.emit("peer-tree[leave]", {})
    codes = []
    while "too-fast" not in codes:
        codes.append(client.next("peer-tree[error]")["code"])
    assert codes.count("not-a-member") >= 5
    # Complaints are rarer than what they are about.
    server.until(lambda: server.told("too-fast") >= 20, "the dropped events are not counted")


def test_sockets_of_one_address_are_bounded_and_the_one_too_many_is_told(serve):
    server = serve("--max-sockets-per-address", 1)
    first = Client(server)
    second = Client(server)
    assert second.next("peer-tree[error]")["code"] == "too-many-sockets"
    second.socket.wait_closed()
    assert server.told("too-many-sockets") == 1
    first.close()
    third = []

    def is_let_in():
        third.append(Client(server))
        third[-1].emit("simple-signal[discover]", {"createNew": True})
        packet = third[-1].socket.receive()
        return "treeID" in packet

    server.until(is_let_in, "the place of the first was not given back")


def test_connections_above_the_limits_are_answered_503(serve):
    for option, reason in [
        ("--max-connections", "too-many-connections"),
        ("--max-connections-per-address", "too-many-connections-from-address"),
    ]:
        # One for the client, one for the figures.
        server = serve(option, 2)
        client = Client(server)
        with socket.create_connection(("127.0.0.1", server.port), timeout=10):
            refused = False
            end = time.monotonic() + 20
            while not refused:
                assert time.monotonic() < end
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{server.port}/healthz", timeout=10).close()
                except urllib.error.HTTPError as error:
                    refused = error.code == 503 and b"Too many connections" in error.read()
        server.until(lambda: reads(lambda: server.turned_away(reason)), "the refusal is not counted")
        client.close()


def reads(call):
    """What a call returns, or nothing while the server has no connection for it."""
    try:
        return call()
    except urllib.error.HTTPError:
        return None


def test_sessions_above_the_limit_are_answered_503(serve):
    server = serve("--max-sessions", 1)
    first = Client(server)
    answer = server.endpoint.http()
    assert (answer.status_code, answer.json()["message"]) == (503, "Server is full")
    assert server.turned_away("too-many-sessions") == 1
    first.close()


def test_oversized_messages_and_bodies_are_refused(serve):
    server = serve("--max-payload", 2000)
    client = Client(server)
    client.emit("simple-signal[discover]", {"treeID": "x" * 3000})
    client.socket.wait_closed()
    assert server.turned_away("payload-too-large") == 1
    sid = server.endpoint.open_session()
    answer = server.endpoint.http("POST", "4" + "x" * 3000, sid=sid)
    assert answer.status_code == 413
    assert server.turned_away("payload-too-large") == 2


def test_a_second_poll_at_once_ends_the_session(serve):
    server = serve()
    sid = server.endpoint.open_session()
    request = f"GET {server.endpoint.query(sid=sid)} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
    with contextlib.ExitStack() as stack:
        connections = [
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=10)) for _ in range(2)
        ]
        for connection in connections:
            connection.sendall(request)
        # Whichever comes second is refused.
        assert any(connection.recv(4096).startswith(b"HTTP/1.1 400 ") for connection in connections)
    assert server.turned_away("bad-request") == 1
    assert server.endpoint.http(sid=sid).status_code == 400


def test_a_client_that_does_not_read_is_cut_and_told_why(serve):
    server = serve("--k1", 1, "--max-buffered-bytes", 65_536, "--events-per-second", 10_000, "--event-burst", 100_000)
    source = Client(server)
    tree = source.discover(createNew=True)["treeID"]
    # A viewer with a small window that reads nothing after it has joined.
    stalled = socket.socket()
    stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    stalled.settimeout(30)
    stalled.connect(("127.0.0.1", server.port))
    head = (
        f"GET {server.endpoint.query(transport='websocket')} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    stalled.sendall(head.encode())

    def frame(text):
        data = text.encode()
        size = bytes([0x80 | len(data)]) if len(data) < 126 else bytes([0x80 | 126]) + struct.pack(">H", len(data))
        return b"\x81" + size + b"\0\0\0\0" + data

    request = json.dumps(["simple-signal[discover]", {"treeID": tree, "peerTree": {"v": 2}}])
    stalled.sendall(frame("40") + frame("42" + request))
    received = b""
    while b'"discoveryData"' not in received:
        received += stalled.recv(4096)
    target = re.search(rb'40\{"sid":"([^"]+)"', received)[1].decode()
    sdp = {"type": "offer", "sdp": "x" * 60_000}
    other = Client(server)
    # The only place is below the one that does not read, and offers go up.
    assert other.discover(treeID=tree)["peers"] == [target]
    number = 0
    end = time.monotonic() + 30
    while not server.turned_away("slow-reader"):
        assert time.monotonic() < end, "the client was not cut"
        for _ in range(8):
            number += 1
            other.emit("simple-signal[offer]", {"signal": sdp, "sessionId": f"s{number}", "target": target})
    assert server.turned_away("slow-reader") == 1
    tail = b""
    reason = b"\x88\x0d" + struct.pack(">H", 1008) + b"slow reader"
    while not tail.endswith(reason):
        more = stalled.recv(65_536)
        assert more, f"the connection ended without the reason; its last bytes are {tail[-40:]}"
        tail = (tail + more)[-64:]
    stalled.close()
