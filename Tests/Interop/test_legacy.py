"""Compatibility with the original JavaScript peer-tree: its clients at our server and among our peers, its wire frames
character for character, and our peers at a server of its kind.

Its clients are played by legacy_peer.py, its server by original_server.py, both without a line of ours in them.
"""

import base64
import contextlib
import json
import os
import random
import re
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
import websocket
from processes import running

HERE = Path(__file__).resolve().parent
PATIENCE = 30
CLUSTER = b"\x1f\x43\xb6\x75"
SOURCE_LOST = "source left or vanished"


@pytest.fixture
def peer_tree(program):
    return program("peer-tree")


@pytest.fixture
def clip(root):
    return (root / "Demo" / "clip.webm").read_bytes()


class Network:
    """Starts programs that all end with the test."""

    def __init__(self, stack, peer_tree, folder):
        self.stack = stack
        self.peer_tree = peer_tree
        self.folder = folder
        self.url = None

    def start(self, *command, **options):
        return self.stack.enter_context(running(*command, **options))

    def serve(self, k=4, k1=10):
        server = self.start(self.peer_tree, "serve", "--port", 0, "--k", k, "--k1", k1, "--json")
        self.url = f"http://127.0.0.1:{server.event('listening')['port']}"

    def serve_original(self, k=4, k1=10):
        server = self.start(sys.executable, HERE / "original_server.py", "--k", k, "--k1", k1)
        self.url = f"http://127.0.0.1:{server.event('listening')['port']}"
        return server

    def legacy(self, *options):
        command = [sys.executable, HERE / "legacy_peer.py", self.url, *options]
        return self.start(*command, stdin=None if "--tree" in options else -1)

    def legacy_source(self, *options):
        """A source of the original's kind, and its tree."""
        source = self.legacy(*options)
        return source, source.event("discover")["tree"]

    def legacy_viewer(self, tree, name, *options):
        """A viewer of the original's kind, linked to its parent."""
        return linked(self.legacy("--tree", tree, "--output", self.folder / name, *options))

    def source(self, *options):
        """A source of ours that sends what `feed` writes, and its tree."""
        # Original clients relay what they cannot check.
        command = [self.peer_tree, "broadcast", "-", "--raw", "--unsigned", "--server", self.url, "--linger", 1, "--json"]
        command += options
        source = self.start(*command, stdin=-1)
        return source, source.event("link")["tree"]

    def watch(self, tree, name):
        output = self.folder / name
        return self.start(self.peer_tree, "watch", f"{self.url}/watch/{tree}", "--output", output, "--json")

    def viewer(self, tree, name):
        """A viewer of ours, fed by its parent."""
        return linked(self.watch(tree, name))

    def received(self, name):
        """What a viewer has written so far, or kept of a broken stream."""
        for path in [self.folder / name, self.folder / f"{name}.part"]:
            if path.exists():
                return path.read_bytes()
        return b""


@pytest.fixture
def network(peer_tree, tmp_path):
    with contextlib.ExitStack() as stack:
        yield Network(stack, peer_tree, tmp_path)


def linked(viewer):
    """Waits until a viewer has its parent, and notes the ids of both."""
    viewer.id = viewer.event("discover")["id"]
    viewer.parent = viewer.event("upstream", PATIENCE)["id"]
    return viewer


def eventually(condition, what, timeout=PATIENCE):
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, f"not within {timeout} s: {what() if callable(what) else what}"
        time.sleep(0.02)


def feed(process, data, end=False):
    """Writes to the standard input of a program that must take it in time."""

    def write():
        with contextlib.suppress(BrokenPipeError):
            process.process.stdin.write(data)
            process.process.stdin.flush()
            if end:
                process.process.stdin.close()

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    writer.join(PATIENCE)
    assert not writer.is_alive(), f"the program does not take its input; stderr: {process.errors}"


def finish(source, rest, arrival):
    """Feeds the rest of a stream and ends it, once ARRIVAL says that all but its last pieces are there: viewers of the
    original's kind cannot say that they are behind, so a source waits for them for a second only."""
    feed(source, rest)
    eventually(arrival, "nearly all of the stream")
    feed(source, b"", end=True)
    assert source.wait() == 0


def tell(source, *messages):
    """Has a source of the original's kind write messages: text, or bytes."""
    for message in messages:
        if isinstance(message, str):
            line = {"text": message}
        else:
            line = {"base64": base64.b64encode(message).decode()}
        feed(source, json.dumps(line).encode() + b"\n")


def content(messages):
    return b"".join(message.encode() if isinstance(message, str) else message for message in messages)


def noise(size, seed):
    return random.Random(seed).randbytes(size)


TRANSPORTS = [
    pytest.param(["--transport", "websocket"], id="websocket"),
    pytest.param(["--transport", "polling"], id="polling"),
    pytest.param(["--transport", "websocket", "--no-trickle"], id="candidates in the description"),
]


# Clients of the original at our server


@pytest.mark.parametrize("options", TRANSPORTS)
def test_a_legacy_viewer_gets_one_data_channel_message_per_message(network, options):
    network.serve()
    source, tree = network.source()
    viewer = network.legacy_viewer(tree, "out", *options)
    messages = [noise(size, size) for size in [12, 1, 65_536, 16_356, 16_357, 40_000]]
    for message in messages:
        feed(source, message)
        got = viewer.event("message")
        assert (got["bytes"], got["text"]) == (len(message), False)
    assert network.received("out") == content(messages)
    feed(source, b"", end=True)
    assert source.wait() == 0
    viewer.event("upstream-gone")
    assert viewer.event("refused")["message"] == "Tree does not exist."


def test_a_file_reaches_a_legacy_viewer_whole(network, clip):
    network.serve()
    source, tree = network.source()
    network.legacy_viewer(tree, "out")
    finish(source, clip, lambda: len(network.received("out")) > len(clip) - 20_000)
    eventually(lambda: len(network.received("out")) >= len(clip), "the whole clip")
    assert network.received("out") == clip


def test_key_frames_larger_than_a_data_channel_message_reach_a_legacy_viewer(network, ffmpeg):
    """Browsers take 262,144 bytes at most, some stacks no more than 65,536."""
    network.serve()
    path = network.folder / "large.webm"
    picture = "testsrc2=size=1280x720:rate=5:duration=1,noise=alls=100:allf=t"
    encoding = ["-c:v", "libvpx", "-b:v", "200M", "-qmax", "4", "-deadline", "realtime", "-cpu-used", "8", "-g", "5"]
    assert ffmpeg("-f", "lavfi", "-i", picture, *encoding, path) == ""
    video = path.read_bytes()
    assert len(video) > 5 * 300_000
    source, tree = network.source()
    viewer = network.legacy_viewer(tree, "out")
    finish(source, video, lambda: len(network.received("out")) > len(video) - 70_000)
    while (message := viewer.event("message"))["total"] < len(video):
        assert message["bytes"] <= 65_536
    assert network.received("out") == video


def test_a_legacy_viewer_that_comes_late_gets_the_header_and_then_a_join_point(network, clip):
    network.serve()
    source, tree = network.source()
    half = len(clip) // 2
    feed(source, clip[:half])
    network.legacy_viewer(tree, "out")
    finish(source, clip[half:], lambda: clip[-20_000:-19_000] in network.received("out"))
    header = clip[: clip.index(CLUSTER)]
    eventually(lambda: network.received("out").endswith(clip[-1000:]), "the end of the clip")
    received = network.received("out")
    assert received.startswith(header + CLUSTER)
    rest = received[len(header) :]
    assert clip.endswith(rest)
    # The newest join point, not an early one: at most a cluster and what a pipe holds lies between it and the half.
    assert len(clip) - half - 100_000 < len(rest) < len(clip) - half + 400_000


def test_a_legacy_relay_carries_the_stream_from_one_native_peer_to_another(network, clip):
    network.serve(k=1, k1=1)
    source, tree = network.source("--k1", 1)
    relay = network.legacy_viewer(tree, "relay")
    viewer = network.viewer(tree, "leaf")
    assert viewer.parent == relay.id
    assert relay.event("downstream")["id"] == viewer.id
    finish(source, clip, lambda: len(network.received("leaf")) > len(clip) - 20_000)
    # A plain link has no end of the stream: all there is to say is that the source is gone.
    assert viewer.wait() == 1
    assert SOURCE_LOST in viewer.error_text
    assert not (network.folder / "leaf").exists()
    assert (network.folder / "leaf.part").read_bytes() == network.received("relay") == clip


def test_a_legacy_source_feeds_native_viewers_through_a_native_relay(network):
    network.serve(k=1, k1=1)
    source, tree = network.legacy_source()
    relay = network.viewer(tree, "relay")
    leaf = network.viewer(tree, "leaf")
    assert leaf.parent == relay.id
    assert source.event("downstream")["id"] == relay.id
    messages = ["grüße 🌳", noise(1, 1), noise(16_356, 2), noise(100_000, 3), "", noise(250_000, 4), "the end"]
    tell(source, *messages)
    for name in ["relay", "leaf"]:
        eventually(lambda: len(network.received(name)) >= len(content(messages)), f"everything at the {name}")
        assert network.received(name) == content(messages)
    source.signal(signal.SIGTERM)
    assert source.wait() == 0
    for viewer in [relay, leaf]:
        assert viewer.wait() == 1
        assert SOURCE_LOST in viewer.error_text


def test_a_native_viewer_below_a_legacy_source_gets_everything_from_a_native_relay_though_it_comes_later(network):
    network.serve(k=1, k1=1)
    source, tree = network.legacy_source()
    relay = network.viewer(tree, "relay")
    source.event("downstream")
    early, late = noise(50_000, 1), noise(50_000, 2)
    tell(source, early)
    eventually(lambda: len(network.received("relay")) >= len(early), "the first message at the relay")
    assert network.viewer(tree, "leaf").parent == relay.id
    tell(source, late)
    eventually(lambda: len(network.received("leaf")) >= len(early + late), "everything at the leaf")
    assert network.received("leaf") == early + late


def test_legacy_peers_serve_each_other_through_our_server(network):
    network.serve(k=1, k1=1)
    source, tree = network.legacy_source("--transport", "polling")
    first = network.legacy_viewer(tree, "first", "--no-trickle")
    second = network.legacy_viewer(tree, "second", "--transport", "polling")
    assert second.parent == first.id
    assert source.event("downstream")["id"] == first.id
    assert first.event("downstream")["id"] == second.id
    messages = ["one", noise(1, 1), "zwei 🌳", noise(200_000, 2), "", "last"]
    tell(source, *messages)
    for viewer in [first, second]:
        for message in messages:
            got = viewer.event("message")
            assert (got["text"], got["bytes"]) == (isinstance(message, str), len(content([message])))
    assert network.received("first") == network.received("second") == content(messages)
    # The server saw the second one go; its slot is free for another.
    second.signal(signal.SIGTERM)
    assert first.event("downstream-gone")["id"] == second.id
    assert network.legacy_viewer(tree, "third").parent == first.id


def test_a_native_relay_goes_once_its_legacy_child_was_sent_everything(network, clip):
    """Such a child never says that it has everything: an empty send queue has to do."""
    network.serve(k=1, k1=1)
    source, tree = network.source("--k1", 1)
    relay = network.viewer(tree, "relay")
    assert network.legacy_viewer(tree, "out").parent == relay.id
    feed(source, clip, end=True)
    assert relay.wait(20) == 0
    assert network.received("relay") == clip
    eventually(lambda: network.received("out").startswith(clip), lambda: f"{len(network.received('out'))} bytes")


@pytest.mark.parametrize("kind", ["native", "legacy"])
def test_a_legacy_viewer_whose_parent_is_killed_discovers_again_and_goes_on(network, clip, kind):
    network.serve(k=1, k1=1)
    source, tree = network.source("--k1", 1)
    relay = network.viewer(tree, "relay") if kind == "native" else network.legacy_viewer(tree, "relay")
    viewer = network.legacy_viewer(tree, "out")
    assert viewer.parent == relay.id
    half = len(clip) // 2
    feed(source, clip[:half])
    eventually(lambda: len(network.received("out")) > half - 50_000, "the first half")
    relay.signal(signal.SIGKILL)
    assert viewer.event("upstream-gone")["id"] == relay.id
    assert viewer.event("upstream")["id"] == relay.parent
    finish(source, clip[half:], lambda: clip[-20_000:-19_000] in network.received("out"))
    eventually(lambda: network.received("out").endswith(clip[-1000:]), "the end of the clip")
    header = clip[: clip.index(CLUSTER)]
    before, after = network.received("out").rsplit(header, 1)
    assert clip.startswith(before) and len(before) > half - 50_000
    assert clip.endswith(after) and after.startswith(CLUSTER)


# Clients of the original in trees of several stripes

STRIPES = [
    pytest.param(["--stripes", 4], id="4 stripes"),
    pytest.param(["--live", "--stripes", 5, "--parity", 1], id="4 + 1"),
]


@pytest.mark.parametrize("options", STRIPES)
def test_the_very_first_viewer_of_a_stream_in_stripes_may_be_a_legacy_one(network, options):
    network.serve()
    source, tree = network.source(*options)
    first = network.legacy_viewer(tree, "first")
    for number in range(3):
        network.viewer(tree, f"native{number}")
    second = network.legacy_viewer(tree, "second", "--no-trickle")
    messages = [noise(size, size) for size in [12, 1, 65_536, 16_356, 40_000, 2_500]]
    for message in messages:
        feed(source, message)
        for viewer in [first, second]:
            got = viewer.event("message")
            assert (got["bytes"], got["text"]) == (len(message), False)
    for name in ["first", "second", "native0", "native1", "native2"]:
        eventually(lambda: len(network.received(name)) >= len(content(messages)), f"everything at {name}")
        assert network.received(name) == content(messages)
    feed(source, b"", end=True)
    assert source.wait() == 0
    assert first.event("refused")["message"] == "Tree does not exist."


@pytest.mark.parametrize("options", STRIPES)
def test_a_legacy_viewer_of_a_stream_in_stripes_whose_parent_is_killed_goes_on(network, options):
    network.serve()
    # The source has four or five slots in each stripe: half of them are taken when the legacy one comes.
    source, tree = network.source("--k1", 5, *options)
    natives = {}
    for number in range(4):
        native = network.viewer(tree, f"native{number}")
        natives[native.id] = f"native{number}", native
    viewer = network.legacy_viewer(tree, "out")
    messages = []

    def tell_all(count):
        for _ in range(count):
            messages.append(noise(5_000, len(messages)))
            feed(source, messages[-1])
            time.sleep(0.03)

    tell_all(30)
    before = content(messages)
    eventually(lambda: network.received("out") == before, "all so far")
    _, parent = natives.pop(viewer.parent)
    parent.signal(signal.SIGKILL)
    tell_all(30)
    assert viewer.event("upstream-gone")["id"] == parent.id
    assert viewer.event("upstream")["id"] != parent.id
    tell_all(30)
    everything = content(messages)
    eventually(lambda: network.received("out").endswith(messages[-1]), "the newest message")
    # What came on the first link, and what came on the second, have no holes.
    received = network.received("out")
    cut = next(end for end in range(len(before), len(received), 5_000) if everything.endswith(received[end:]))
    assert everything.startswith(received[:cut]) and len(received) - cut >= len(content(messages[60:]))
    for name, _ in natives.values():
        eventually(lambda: network.received(name) == everything, f"everything at {name}")


# The frames, character for character


class RawClient:
    """A Socket.IO client that speaks in the frames themselves."""

    def __init__(self, url, version=4):
        address = url.replace("http", "ws", 1) + f"/socket.io/?EIO={version}&transport=websocket"
        self.socket = websocket.create_connection(address, timeout=10)
        self.handshake = self.socket.recv()
        if version == 4:
            self.socket.send("40")
        self.connected = self.socket.recv()
        if version == 4:
            self.id = re.fullmatch(r'40\{"sid":"([^"]+)"\}', self.connected).group(1)

    def send(self, frame):
        self.socket.send(frame)

    def receive(self):
        """The next frame that is not a ping."""
        while True:
            frame = self.socket.recv()
            if frame != "2":
                return frame
            self.socket.send("3")

    def discover(self, data):
        self.send(f'42["simple-signal[discover]",{data}]')
        return self.receive()

    def create(self):
        """Makes a tree and returns its id."""
        return json.loads(self.discover('{"createNew":true}')[2:])[1]["discoveryData"]["treeID"]

    def join(self, tree):
        return json.loads(self.discover(json.dumps({"treeID": tree}))[2:])[1]["discoveryData"]["peers"][0]

    def frames_until_answered(self):
        """What comes before the answer to a question; if nothing was to come, an empty list."""
        self.send('42["simple-signal[discover]"]')
        frames = []
        while (frame := self.receive()) != NO_DATA:
            frames.append(frame)
        return frames

    def close(self):
        self.socket.close()


NO_DATA = '42["simple-signal[discover]",{"id":null,"discoveryData":{"err":"no discoveryData"}}]'


@pytest.fixture
def raw(network):
    """raw() is a new client, in frames, of a server of ours."""
    network.serve(k=1, k1=2)
    with contextlib.ExitStack() as stack:
        yield lambda version=4: stack.enter_context(contextlib.closing(RawClient(network.url, version)))


def test_the_handshake_is_that_of_the_original(raw):
    client = raw()
    handshake = r'0\{"sid":"([^"]+)","upgrades":\[\],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000\}'
    assert re.fullmatch(handshake, client.handshake).group(1) != client.id


def test_discovery_is_that_of_the_original(raw):
    source, viewer = raw(), raw()
    created = source.discover('{"createNew":true}')
    expected = f'42["simple-signal[discover]",{{"id":"{source.id}","discoveryData":{{"peers":[],"treeID":"TREE"}}}}]'
    tree = re.fullmatch(re.escape(expected).replace("TREE", "(c[0-9a-z]{24})"), created).group(1)
    assert viewer.discover(f'{{"treeID":"{tree}"}}') == (
        f'42["simple-signal[discover]",{{"id":"{viewer.id}",'
        f'"discoveryData":{{"peers":["{source.id}"],"treeID":"{tree}"}}}}]'
    )
    assert source.frames_until_answered() == []


def test_errors_of_discovery_are_those_of_the_original(raw):
    client = raw()
    assert client.discover('{"treeID":"nowhere"}') == (
        f'42["simple-signal[discover]",{{"id":"{client.id}","discoveryData":{{"err":"Tree does not exist."}}}}]'
    )
    assert client.discover("null") == NO_DATA
    client.send('42["simple-signal[discover]"]')
    assert client.receive() == NO_DATA


SDP = r'"v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=\"-\"\t/\\ grüße 🌳\r\n"'


def test_offer_answer_candidates_and_rejection_are_those_of_the_original(raw):
    parent, child = raw(), raw()
    child.join(parent.create())
    session = '"sessionId":"3f9c","target"'
    child.send(
        f'42["simple-signal[offer]",{{"signal":{{"type":"offer","sdp":{SDP}}},"metadata":null,{session}:"{parent.id}"}}]'
    )
    assert parent.receive() == (
        f'42["simple-signal[offer]",{{"initiator":"{child.id}","sessionId":"3f9c",'
        f'"signal":{{"type":"offer","sdp":{SDP}}},"metadata":null}}]'
    )
    parent.send(
        f'42["simple-signal[signal]",{{"signal":{{"type":"answer","sdp":{SDP}}},'
        f'"metadata":null,{session}:"{child.id}"}}]'
    )
    assert child.receive() == (
        f'42["simple-signal[signal]",{{"sessionId":"3f9c","signal":{{"type":"answer","sdp":{SDP}}},"metadata":null}}]'
    )
    candidate = (
        '{"candidate":{"candidate":"candidate:1 1 udp 2130706431 192.0.2.1 5000 typ host",'
        '"sdpMLineIndex":0,"sdpMid":"0"}}'
    )
    for sender, receiver in [(child, parent), (parent, child)]:
        sender.send(f'42["simple-signal[signal]",{{"signal":{candidate},"metadata":null,{session}:"{receiver.id}"}}]')
        frame = f'42["simple-signal[signal]",{{"sessionId":"3f9c","signal":{candidate},"metadata":null}}]'
        assert receiver.receive() == frame
    metadata = '{"reason":"no room","list":[1,2.5,-3,true,null,{}]}'
    parent.send(f'42["simple-signal[reject]",{{"metadata":{metadata},{session}:"{child.id}"}}]')
    assert child.receive() == f'42["simple-signal[reject]",{{"sessionId":"3f9c","metadata":{metadata}}}]'
    assert parent.frames_until_answered() == child.frames_until_answered() == []


def test_absent_metadata_stays_absent_and_unknown_members_are_dropped(raw):
    parent, child = raw(), raw()
    child.join(parent.create())
    extra = '"extra":{"a":[]},"initiator":"someone"'
    child.send(f'42["simple-signal[offer]",{{{extra},"target":"{parent.id}","sessionId":"s","signal":{{"sdp":"x"}}}}]')
    assert parent.receive() == (
        f'42["simple-signal[offer]",{{"initiator":"{child.id}","sessionId":"s","signal":{{"sdp":"x"}}}}]'
    )
    parent.send(f'42["simple-signal[signal]",{{{extra},"target":"{child.id}","sessionId":"s","signal":{{"sdp":"y"}}}}]')
    assert child.receive() == '42["simple-signal[signal]",{"sessionId":"s","signal":{"sdp":"y"}}]'
    parent.send(f'42["simple-signal[reject]",{{{extra},"target":"{child.id}","sessionId":"s"}}]')
    assert child.receive() == '42["simple-signal[reject]",{"sessionId":"s"}]'


def test_a_client_of_socket_io_2_is_served_alike(raw):
    source, viewer = raw(3), raw()
    source.id = json.loads(source.handshake[1:])["sid"]
    assert source.connected == "40"
    tree = source.create()
    assert viewer.join(tree) == source.id
    viewer.send(f'42["simple-signal[offer]",{{"signal":{{}},"metadata":null,"sessionId":"s","target":"{source.id}"}}]')
    assert source.receive() == (
        f'42["simple-signal[offer]",{{"initiator":"{viewer.id}","sessionId":"s","signal":{{}},"metadata":null}}]'
    )


def test_one_who_discovers_its_tree_again_leaves_no_ghost(raw):
    """At the original server every repetition took another slot, and could make a peer its own parent."""
    source, viewer, other = raw(), raw(), raw()
    tree = source.create()
    for _ in range(20):
        assert viewer.join(tree) == source.id
    assert other.join(tree) == source.id
    answer = source.discover(f'{{"treeID":"{tree}"}}')
    assert "err" in json.loads(answer[2:])[1]["discoveryData"]


DEEP = 50_000
HOSTILE = {
    "a tree named __proto__": '42["simple-signal[discover]",{"treeID":"__proto__"}]',
    "a tree named constructor": '42["simple-signal[discover]",{"treeID":"constructor"}]',
    "a tree that is no string": '42["simple-signal[discover]",{"treeID":{"toString":1}}]',
    "discovery of a number": '42["simple-signal[discover]",1e999]',
    "an offer without argument": '42["simple-signal[offer]"]',
    "an offer of null": '42["simple-signal[offer]",null]',
    "an offer with a null signal": '42["simple-signal[offer]",{"signal":null,"sessionId":"s","target":"VICTIM"}]',
    "an offer to toString": '42["simple-signal[offer]",{"signal":{},"sessionId":"s","target":"toString"}]',
    "an offer to __proto__": '42["simple-signal[offer]",{"signal":{},"sessionId":"__proto__","target":"__proto__"}]',
    "an offer to oneself": '42["simple-signal[offer]",{"signal":{},"sessionId":"s","target":"SELF"}]',
    "a signal without a session": '42["simple-signal[signal]",{"signal":{},"sessionId":"s","target":"VICTIM"}]',
    "a signal to no one": '42["simple-signal[signal]",{"signal":{},"sessionId":"s"}]',
    "a rejection without a session": '42["simple-signal[reject]",{"sessionId":"s","target":"VICTIM"}]',
    "a rejection of nothing": '42["simple-signal[reject]"]',
    "our own event from a stranger": '42["peer-tree[child-lost]",{"id":"VICTIM","reason":"silent"}]',
    "an end of the tree": '42["peer-tree[end]",{"treeID":"T"}]',
    "an event named __proto__": '42["__proto__",{}]',
    "an event named connection": '42["connection",{}]',
    "an event without a name": "42[]",
    "an event that is an object": '42{"simple-signal[discover]":1}',
    "an event that is a number": "42[1,2,3]",
    "an event cut short": '42["simple-signal[discover]",{"treeID":"',
    "an acknowledgement of nothing": "43999[]",
    "a packet of an unknown type": "49",
    "an Engine.IO packet of an unknown type": "9",
    "an empty message": "4",
    "binary attachments that never come": '451000000-["simple-signal[offer]",{"_placeholder":true,"num":0}]',
    "a placeholder of an attachment": '42["simple-signal[offer]",{"_placeholder":true,"num":7}]',
    "an unknown namespace": '42/admin,["simple-signal[discover]",{}]',
    "deep arrays": '42["simple-signal[discover]",' + "[" * DEEP + "]" * DEEP + "]",
    "deep objects": '42["simple-signal[offer]",' + '{"a":' * DEEP + "1" + "}" * DEEP + "]",
    "a deep signal": '42["simple-signal[offer]",{"signal":{"a":' + "[" * 60 + "]" * 60
    + '},"sessionId":"s","target":"VICTIM"}]',
    "a large signal": '42["simple-signal[offer]",{"signal":{"sdp":"' + "x" * 100_000
    + '"},"sessionId":"s","target":"VICTIM"}]',
    "large metadata": '42["simple-signal[offer]",{"signal":{},"metadata":"' + "x" * 20_000
    + '","sessionId":"s","target":"VICTIM"}]',
    "a long session id": '42["simple-signal[offer]",{"signal":{},"sessionId":"' + "s" * 1000 + '","target":"VICTIM"}]',
    "half a surrogate": '42["simple-signal[discover]",{"treeID":"\\ud800"}]',
}


def test_hostile_frames_disturb_nobody(raw):
    victim, bystander = raw(), raw()
    tree = victim.create()
    for is_member in [False, True]:
        for name, frame in HOSTILE.items():
            attacker = raw()
            if is_member:
                assert attacker.join(tree) == victim.id, name
            attacker.send(frame.replace("VICTIM", victim.id).replace("SELF", attacker.id))
            with contextlib.suppress(websocket.WebSocketException, OSError):
                for answer in attacker.frames_until_answered():
                    assert re.match(r'42\["(peer-tree\[error\]|simple-signal\[discover\])",', answer), (name, answer)
            attacker.close()
            assert victim.frames_until_answered() == [], name
            assert bystander.frames_until_answered() == [], name
            # The attacker's slot is free again: the source has two, and twice as many attackers as that came by.
    assert bystander.join(tree) == victim.id
    assert re.fullmatch("c[0-9a-z]{24}", raw().create())


def test_signalling_before_discovery_is_refused_to_the_sender_alone(raw):
    source, stranger = raw(), raw()
    source.create()
    for event in ["offer", "signal", "reject"]:
        stranger.send(f'42["simple-signal[{event}]",{{"signal":{{}},"sessionId":"s","target":"{source.id}"}}]')
        name, payload = json.loads(stranger.receive()[2:])
        assert (name, payload["event"]) == ("peer-tree[error]", f"simple-signal[{event}]")
        assert payload["code"] == "not-a-member"
    assert source.frames_until_answered() == []


# Our peers at a server of the original's kind


def events_so_far(process):
    found = []
    while not process.lines.empty():
        line = process.lines.get()
        if line is not None:
            found.append(json.loads(line))
    return found


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "sent"
    path.write_bytes(noise(1_500_000, 5))
    return path


def broadcast(network, file, *options):
    """A source of ours that sends a file, with everything left out that its user need not say at an original server."""
    command = [network.peer_tree, "broadcast", file, "--raw", "--unsigned", "--server", network.url, "--json", *options]
    source = network.start(*command)
    return source, source.event("link")["tree"]


def test_our_peers_relay_a_file_at_an_original_server(network, file):
    server = network.serve_original(k=1, k1=1)
    source, tree = broadcast(network, file, "--rate", "500k")
    viewers = [network.viewer(tree, name) for name in ["a", "b", "c"]]
    parents = [viewer.parent for viewer in viewers]
    assert parents[1:] == [viewer.id for viewer in viewers[:2]]
    assert [viewer.wait() for viewer in viewers] == [0, 0, 0]
    assert source.wait(20) == 0
    for name in ["a", "b", "c"]:
        assert (network.folder / name).read_bytes() == file.read_bytes()
    seen = events_so_far(server)
    assert [event["peers"] for event in seen if event["event"] == "discover"] == [[], *([parent] for parent in parents)]
    assert "unknown" not in [event["event"] for event in seen]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["killed", "stopped by ctrl-c"])
def test_the_child_of_a_relay_that_goes_finds_another_parent_at_an_original_server(network, file, number):
    network.serve_original(k=1, k1=1)
    source, tree = broadcast(network, file, "--rate", "300k")
    relay, child, leaf = [network.viewer(tree, name) for name in ["relay", "child", "leaf"]]
    assert child.parent == relay.id and leaf.parent == child.id
    eventually(lambda: len(network.received("leaf")) > 100_000, "something at the leaf")
    relay.signal(number)
    assert child.event("upstream", PATIENCE)["id"] == relay.parent
    assert [child.wait(), leaf.wait()] == [0, 0]
    assert source.wait(20) == 0
    assert network.received("child") == network.received("leaf") == file.read_bytes()


def test_legacy_peers_and_ours_mix_at_an_original_server(network, clip):
    network.serve_original(k=1, k1=1)
    source, tree = network.source()
    relay = network.legacy_viewer(tree, "relay")
    middle = network.viewer(tree, "middle")
    relay.event("downstream")
    leaf = network.viewer(tree, "leaf")
    assert (middle.parent, leaf.parent) == (relay.id, middle.id)
    finish(source, clip, lambda: len(network.received("leaf")) > len(clip) - 20_000)
    for name in ["relay", "middle", "leaf"]:
        eventually(lambda: network.received(name) == clip, f"everything at the {name}")


def test_what_an_original_server_does_not_know_is_said_clearly(network):
    network.serve_original()
    viewer = network.watch("nosuchtree", "out")
    assert viewer.wait() == 69
    assert "No tree has the id 'nosuchtree'" in viewer.error_text
    source = network.start(network.peer_tree, "broadcast", "-", "--server", network.url)
    assert source.wait() == 69
    assert "does not know signed trees" in source.error_text and "--unsigned" in source.error_text
    assert os.listdir(network.folder) == []
