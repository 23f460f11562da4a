"""Signed broadcasts: a viewer gets what the source wrote and nothing else, whoever passes it on."""

import asyncio
import contextlib
import functools
import json
import os
import signal
import subprocess
import time

import pytest
import wire

pytest.register_assert_rewrite("hostile_acts", "stage")
import hostile_acts as acts  # noqa: E402
from hostile_peer import HostilePeer
from processes import own_port, run, running
from stage import NativeViewer, eventually, in_thread, stage


@pytest.fixture
def peer_tree(program):
    return program("peer-tree")


@pytest.fixture
def signed_stage(program, tmp_path):
    return functools.partial(stage, program("peer-tree"), tmp_path, identity=tmp_path / "identity")


async def test_an_honest_relay_passes_proofs_on(signed_stage):
    async with signed_stage() as scene:
        relay = await scene.relay()
        await scene.feed(200_000)
        await scene.victim()
        await scene.bystander()
        await scene.feed()
        await scene.everybody_is_whole()
        assert all(frame[0] == 0x11 for frame in relay.held.values())
        await relay.vanish()
        await scene.everybody_goes_on()


@pytest.mark.parametrize("forgery", acts.FORGERIES)
async def test_a_relay_that_forges_feeds_nobody(signed_stage, forgery):
    await acts.forging_relay(signed_stage, forgery)


async def test_a_relay_that_forges_from_the_beginning_feeds_nobody(signed_stage):
    async with signed_stage(k1=2) as scene:
        forger = await scene.relay()
        forger.tamper = acts.overwritten
        await scene.feed(100_000)
        await scene.bystander()
        await scene.victim()
        await scene.everybody_is_whole()
        await forger.vanish()
        await scene.everybody_goes_on()


@pytest.mark.parametrize(("forgery", "stripe"), [("a bit of it", 1), ("payload", acts.STRIPES - 1), ("signature", 0)])
async def test_a_relay_that_forges_one_of_five_stripes_feeds_nobody(signed_stage, forgery, stripe):
    await acts.forged_stripe(signed_stage, forgery, stripe)


@pytest.mark.parametrize("stripe", [1, acts.STRIPES - 1])
async def test_a_relay_that_swallows_one_of_five_stripes_feeds_nobody(signed_stage, stripe):
    await acts.swallowed_stripe(signed_stage, stripe)


async def test_a_forger_above_two_is_a_leaf_within_two_seconds(signed_stage):
    async with signed_stage(k=2, k1=1) as scene:
        forger = await scene.liar(capacity=2)
        await forger.attach()
        for _ in range(2):
            await scene.bystander()
        await forger.until(lambda: len(forger.children) == 2)
        await scene.feed()
        await scene.everybody_is_whole()
        above = set(scene.parents().values())
        # Two members' words count once both have been in the tree for so long.
        await asyncio.sleep(10.5)
        forger.tamper = acts.overwritten
        began = time.monotonic()
        await scene.feed(1_000)
        # The source feeds one of the two now, and that one the forger or the other.
        await eventually(
            lambda: len(set(scene.parents().values()) - above) == 1 and scene.count("evictions") == 1, scene.parents, 2
        )
        assert time.monotonic() - began < 2
        await scene.everybody_is_whole()
        assert scene.count("forgeries") == 2
        await forger.vanish()
        await scene.everybody_goes_on()


async def test_a_relay_that_changes_the_policy_feeds_nobody(signed_stage):
    async with signed_stage(k1=2) as scene:
        forger = await scene.relay()
        await scene.bystander()
        # Viewers of a lossless stream wait for what they will never get.
        forger.policy = wire.LOSSLESS if forger.policy != wire.LOSSLESS else wire.LIVE
        victim = await scene.victim()
        await scene.feed()
        await scene.everybody_is_whole()
        assert victim.received() == bytes(scene.sent)
        assert scene.count("forgeries") == 1
        await forger.vanish()
        await scene.everybody_goes_on()


@pytest.mark.parametrize("forgery", [functools.partial(acts.flipped, offset=-1), functools.partial(acts.flipped, offset=25)])
async def test_a_relay_that_speaks_for_the_source_feeds_nobody(signed_stage, forgery):
    async with signed_stage(k1=2) as scene:
        forger = await scene.relay()
        await scene.bystander()
        victim = await scene.victim()
        await scene.feed()
        await scene.everybody_is_whole()
        link = await forger.child()
        forger.retell = forgery
        await asyncio.wait_for(link.closed.wait(), 5)
        assert (await link.next(wire.Close)).reason == wire.PROTOCOL_ERROR
        await scene.feed()
        await scene.everybody_is_whole()
        assert victim.received() == bytes(scene.sent)
        assert scene.count("forgeries") == 1
        await forger.vanish()
        await scene.everybody_goes_on()


async def test_a_tree_goes_on_while_its_viewers_have_the_pulse_of_a_source_that_lost_its_socket(signed_stage):
    window = 2
    async with signed_stage(k=2, k1=1, serve=["--source-resume-window", window]) as scene:
        await scene.bystander()
        await scene.bystander()
        await scene.feed()
        await scene.everybody_is_whole()
        await scene.line.cut()
        cut = time.monotonic()
        # Three windows and more, in which it would have ended, and in which viewers come.
        while time.monotonic() < cut + 3.5 * window:
            await scene.feed()
            await asyncio.sleep(window / 4)
        await scene.bystander()
        await scene.feed()
        await scene.everybody_is_whole()
        # The last pulse is as good as it is young, once.
        scene.source.signal(signal.SIGKILL)
        await eventually(scene.is_over, scene.parents, 10 + 2 * window)


async def test_a_tree_that_is_not_signed_ends_with_its_window_whatever_its_viewers_have(program, tmp_path):
    async with stage(program("peer-tree"), tmp_path, k=2, k1=1, serve=["--source-resume-window", 2]) as scene:
        await scene.bystander()
        await scene.line.cut()
        await eventually(scene.is_over, scene.parents, 10)


class Tree:
    """A server that remembers, on a port of its own, and whoever broadcasts with one identity."""

    def __init__(self, stack, peer_tree, folder):
        self.stack, self.peer_tree, self.folder = stack, peer_tree, folder
        self.port = stack.enter_context(own_port())
        self.url = f"http://127.0.0.1:{self.port}"
        self.serve()

    def serve(self):
        command = ["serve", "--port", self.port, "--state-key", self.folder / "state.key", "--json"]
        self.server = self.stack.enter_context(running(self.peer_tree, *command))
        self.server.event("listening")

    def broadcast(self, *options):
        command = ["broadcast", "-", "--raw", "--live", "--server", self.url, "--identity", self.folder / "identity"]
        source = running(self.peer_tree, *command, "--linger", 5, "--json", *options, stdin=subprocess.PIPE)
        source = self.stack.enter_context(source)
        told = source.event("link")
        self.tree, self.link = told["tree"], told["link"]
        return source

    def watch(self, name):
        path = self.folder / name
        viewer = self.stack.enter_context(running(self.peer_tree, "watch", self.link, "-o", path, "--json"))
        viewer.event("connect")
        return viewer, path


@pytest.fixture
def tree(peer_tree, tmp_path):
    with contextlib.ExitStack() as stack:
        yield Tree(stack, peer_tree, tmp_path)


# What a source says: enough that nobody keeps it back.
FIRST, SECOND = b"first " * 5_000, b"second" * 5_000


def say(source, data):
    source.process.stdin.write(data)
    source.process.stdin.flush()


def received(path):
    return next((file.read_bytes() for file in [path, path.with_name(path.name + ".part")] if file.exists()), b"")


async def test_after_a_restart_of_the_server_newcomers_learn_the_key(tree):
    source = await in_thread(tree.broadcast)
    _, first = await in_thread(tree.watch, "first")
    say(source, FIRST)
    await eventually(lambda: received(first) == FIRST, lambda: len(received(first)), 10)
    tree.server.process.send_signal(signal.SIGKILL)
    await in_thread(tree.server.wait, 10)
    await in_thread(tree.serve)
    _, second = await in_thread(tree.watch, "second")
    say(source, SECOND)
    await eventually(lambda: received(first) == FIRST + SECOND, lambda: len(received(first)), 20)
    await eventually(lambda: received(second).endswith(SECOND), lambda: len(received(second)), 20)


async def test_a_source_that_was_started_again_takes_its_tree_over(tree):
    source = await in_thread(tree.broadcast)
    _, path = await in_thread(tree.watch, "viewer")
    say(source, FIRST)
    await eventually(lambda: received(path) == FIRST, lambda: len(received(path)), 10)
    name = tree.tree
    source.process.send_signal(signal.SIGKILL)
    await in_thread(source.wait, 10)
    again = await in_thread(tree.broadcast)
    assert tree.tree == name
    _, other = await in_thread(tree.watch, "other")
    say(again, SECOND)
    await eventually(lambda: received(other) == SECOND, lambda: len(received(other)), 20)
    await eventually(lambda: received(path) == FIRST + SECOND, lambda: len(received(path)), 20)


async def test_an_earlier_stream_does_not_take_the_place_of_the_present_one(tree):
    source = await in_thread(tree.broadcast, "--k1", 3)
    async with HostilePeer(tree.url) as relay:
        await relay.join(tree.tree)
        await relay.attach()
        say(source, FIRST)
        await relay.until(lambda: relay.next >= 2 and len(relay.said) == 2)
        earlier = dict(stream=relay.stream, said=dict(relay.said), held=dict(relay.held), next=relay.next, start=0)
    source.process.send_signal(signal.SIGKILL)
    await in_thread(source.wait, 10)
    # The relay of before keeps its place for a while.
    again = await in_thread(tree.broadcast, "--k1", 3)
    async with HostilePeer(tree.url) as relay:
        await relay.join(tree.tree, capacity=2)
        await relay.attach()
        paths = [(await in_thread(tree.watch, name))[1] for name in ["honest", "one", "two", "three"]]
        link = await relay.child()
        say(again, SECOND)
        for path in paths:
            await eventually(lambda: received(path) == SECOND, lambda: len(received(path)), 20)
        for name, value in earlier.items():
            setattr(relay, name, value)
        link.send(wire.restart(0))
        await asyncio.wait_for(link.closed.wait(), 5)
        say(again, FIRST)
        for path in paths:
            await eventually(lambda: received(path) == SECOND + FIRST, lambda: len(received(path)), 20)


async def test_nobody_creates_the_tree_of_a_key_that_has_not_signed_for_it(tree):
    source = await in_thread(tree.broadcast)
    async with HostilePeer(tree.url) as liar:
        told = await liar.discover(treeID=tree.tree, peerTree={"v": 2, "capacity": 1})
        key = told["discoveryData"]["peerTree"]["key"]
    for claim in [{"key": key}, {"key": key, "proof": "00" * 64, "host": "127.0.0.1"}]:
        async with HostilePeer(tree.url) as liar:
            answer = await liar.discover(createNew=True, peerTree={"v": 2, **claim})
            assert answer["discoveryData"]["code"] == "unproven"
    for claim in [{"key": key[:-1]}, {"key": key.upper().replace("0", "G")}, {"key": 7}, {"key": key, "proof": "00"}]:
        async with HostilePeer(tree.url) as liar:
            answer = await liar.discover(createNew=True, peerTree={"v": 2, **claim})
            assert answer["discoveryData"]["code"] == "bad-field"
    assert source.process.poll() is None


async def test_a_proof_for_another_host_is_of_no_use(peer_tree, tmp_path):
    clip = tmp_path / "clip"
    clip.write_bytes(b"a few bytes")
    command = ["broadcast", clip, "--viewers", 0, "--linger", 0, "--json", "--identity", tmp_path / "identity"]
    for name, code in [("localhost, 127.0.0.1", 0), ("tree.example.org", 69)]:
        with running(peer_tree, "serve", "--port", 0, "--hosts", name, "--json") as server:
            url = f"http://127.0.0.1:{server.event('listening')['port']}"
            arguments = [peer_tree, *command, "--server", url]
            source = await in_thread(functools.partial(run, arguments, 30, capture_output=True, text=True))
            assert source.returncode == code, source.stderr


async def test_original_clients_get_no_children_in_a_signed_tree(tree):
    await in_thread(tree.broadcast)
    async with HostilePeer(tree.url) as original:
        answer = await original.discover(treeID=tree.tree)
        assert answer["discoveryData"]["peers"]
        original_id = answer["id"]
        for _ in range(11):
            liar = await HostilePeer(tree.url).__aenter__()
            try:
                place = await liar.join(tree.tree, capacity=0)
                assert place["id"] != original_id
            except AssertionError:
                # There are no more slots than the source's.
                break


async def test_the_key_stays_with_its_owner(peer_tree, tmp_path):
    identity = tmp_path / "identity"
    clip = tmp_path / "clip"
    clip.write_bytes(b"a few bytes")
    command = [peer_tree, "broadcast", clip, "--viewers", 0, "--linger", 0, "--json", "--identity", identity]
    first = await in_thread(functools.partial(run, command, 30, capture_output=True, text=True))
    assert first.returncode == 0, first.stderr
    assert identity.stat().st_mode & 0o777 == 0o600
    tree = json.loads(first.stdout.splitlines()[0])["tree"]
    assert len(tree) == 32 and tree.startswith("s")
    second = await in_thread(functools.partial(run, command, 30, capture_output=True, text=True))
    assert json.loads(second.stdout.splitlines()[0])["tree"] == tree

    os.chmod(identity, 0o640)
    refused = await in_thread(functools.partial(run, command, 30, capture_output=True, text=True))
    assert refused.returncode == 66
    assert "others may read it" in refused.stderr
    os.chmod(identity, 0o600)
    identity.write_text("no key at all")
    refused = await in_thread(functools.partial(run, command, 30, capture_output=True, text=True))
    assert refused.returncode == 66
    assert "must hold an Ed25519 key" in refused.stderr
