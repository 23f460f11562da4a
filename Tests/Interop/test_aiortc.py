"""Interoperation of the WebRTC library with aiortc, in both roles, over real UDP."""

import asyncio
import json
import os
import pathlib

import pytest
from aiortc import RTCPeerConnection, RTCSessionDescription

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("WEBRTC_INTEROP", str(ROOT / ".build" / "debug" / "webrtc-interop"))
PATIENCE = 30


class Peer:
    """The Swift peer: a child process that speaks JSON lines."""

    def __init__(self, process):
        self.process = process
        self.events = []
        self.changed = asyncio.Condition()
        self.reader = asyncio.create_task(self.read())

    @classmethod
    async def start(cls):
        process = await asyncio.create_subprocess_exec(
            BINARY,
            "peer",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=1 << 22,
        )
        return cls(process)

    async def read(self):
        async for line in self.process.stdout:
            async with self.changed:
                self.events.append(json.loads(line))
                self.changed.notify_all()

    async def command(self, **fields):
        self.process.stdin.write(json.dumps(fields).encode() + b"\n")
        await self.process.stdin.drain()

    async def echo(self):
        await self.command(cmd="echo")
        await self.wait(event="echoing")

    async def wait(self, count=1, **fields):
        """Waits until `count` events have these fields, and returns them."""

        def matching():
            return [e for e in self.events if all(e.get(k) == v for k, v in fields.items())]

        async with self.changed:
            try:
                await asyncio.wait_for(self.changed.wait_for(lambda: len(matching()) >= count), PATIENCE)
            except asyncio.TimeoutError:
                raise AssertionError(f"waited in vain for {count} of {fields}; last events: {self.events[-5:]}")
            return matching()

    async def stop(self):
        if self.process.returncode is None:
            self.process.stdin.close()
            try:
                await asyncio.wait_for(self.process.wait(), 5)
            except asyncio.TimeoutError:
                self.process.kill()
                await self.process.wait()
        self.reader.cancel()


class Session:
    """A Swift peer and an aiortc peer with one channel between them."""

    def __init__(self, peer, other):
        self.peer = peer
        self.other = other
        self.channel = None
        self.inbox = asyncio.Queue()
        self.closed = asyncio.Event()

    def adopt(self, channel):
        self.channel = channel
        channel.on("message", self.inbox.put_nowait)
        channel.on("close", self.closed.set)

    async def receive(self):
        return await asyncio.wait_for(self.inbox.get(), PATIENCE)


async def connect(swift_offers, ordered=True):
    peer, other = await Peer.start(), RTCPeerConnection()
    session = Session(peer, other)
    if swift_offers:
        other.on("datachannel", session.adopt)
        await peer.command(cmd="create", label="chat", ordered=ordered)
        await peer.command(cmd="offer")
        (offer,) = await peer.wait(event="description")
        await other.setRemoteDescription(RTCSessionDescription(sdp=offer["sdp"], type="offer"))
        await other.setLocalDescription(await other.createAnswer())
        await peer.command(cmd="remote", type="answer", sdp=other.localDescription.sdp)
    else:
        session.adopt(other.createDataChannel("chat", ordered=ordered))
        await other.setLocalDescription(await other.createOffer())
        await peer.command(cmd="remote", type="offer", sdp=other.localDescription.sdp)
        (answer,) = await peer.wait(event="description")
        await other.setRemoteDescription(RTCSessionDescription(sdp=answer["sdp"], type="answer"))
    await peer.wait(event="open", label="chat")
    for _ in range(PATIENCE * 100):
        if session.channel is not None and session.channel.readyState == "open":
            return session
        await asyncio.sleep(0.01)
    raise AssertionError("the channel did not open at aiortc")


def in_both_roles(test):
    """Runs a coroutine test once with each side offering."""

    @pytest.mark.parametrize("swift_offers", [True, False], ids=["swift-offers", "aiortc-offers"])
    def wrapper(swift_offers):
        async def body():
            session = await connect(swift_offers)
            try:
                await test(session)
            finally:
                await session.other.close()
                await session.peer.stop()

        asyncio.run(asyncio.wait_for(body(), 2 * PATIENCE))

    wrapper.__name__ = test.__name__
    wrapper.__doc__ = test.__doc__
    return wrapper


@in_both_roles
async def test_text_and_binary_come_back_as_they_went(session):
    await session.peer.echo()
    for message in ["hello", "grüße 🌳", b"\x00\x01\xff", "", b""]:
        session.channel.send(message)
        assert await session.receive() == message


@in_both_roles
async def test_the_swift_peer_sends_text_binary_and_empty(session):
    await session.peer.command(cmd="send", label="chat", kind="text", text="héllo")
    await session.peer.command(cmd="send", label="chat", kind="binary", size=3)
    await session.peer.command(cmd="send", label="chat", kind="text", text="")
    await session.peer.command(cmd="send", label="chat", kind="binary", size=0)
    assert [await session.receive() for _ in range(4)] == ["héllo", b"\0\0\0", "", b""]


@in_both_roles
async def test_large_messages_pass_whole_in_both_directions(session):
    # aiortc accepts 262,144 bytes and says so; larger ones must be refused before they are sent.
    await session.peer.command(cmd="send", label="chat", kind="binary", size=262144)
    assert await session.receive() == bytes(262144)
    await session.peer.command(cmd="send", label="chat", kind="binary", size=262145)
    (refusal,) = await session.peer.wait(event="error")
    assert "262144" in refusal["reason"]
    session.channel.send(bytes(200_000))
    await session.peer.wait(event="message", size=200_000)


@in_both_roles
async def test_a_thousand_small_messages_keep_their_order(session):
    await session.peer.echo()
    for number in range(1000):
        session.channel.send(str(number))
    assert [await session.receive() for _ in range(1000)] == [str(number) for number in range(1000)]


@in_both_roles
async def test_the_swift_peer_closes_the_channel(session):
    await session.peer.command(cmd="close-channel", label="chat")
    await asyncio.wait_for(session.closed.wait(), PATIENCE)
    await session.peer.wait(event="closed", label="chat")


@in_both_roles
async def test_aiortc_closes_the_channel(session):
    session.channel.close()
    await session.peer.wait(event="closed", label="chat")
    await asyncio.wait_for(session.closed.wait(), PATIENCE)


@in_both_roles
async def test_the_swift_peer_closes_the_connection(session):
    await session.peer.command(cmd="close")
    await session.peer.wait(event="state", state="closed")
    await asyncio.wait_for(session.closed.wait(), PATIENCE)


@in_both_roles
async def test_aiortc_closes_the_connection(session):
    await session.other.close()
    await session.peer.wait(event="closed", label="chat")
    await session.peer.wait(event="state", state="closed")


@pytest.mark.parametrize("swift_offers", [True, False], ids=["swift-offers", "aiortc-offers"])
def test_unordered_channels_work(swift_offers):
    async def body():
        session = await connect(swift_offers, ordered=False)
        try:
            await session.peer.echo()
            for number in range(100):
                session.channel.send(str(number))
            assert {await session.receive() for _ in range(100)} == {str(number) for number in range(100)}
            if not swift_offers:
                (announced,) = await session.peer.wait(event="channel")
                assert announced["ordered"] is False
        finally:
            await session.other.close()
            await session.peer.stop()

    asyncio.run(asyncio.wait_for(body(), 2 * PATIENCE))
