"""Interoperation of the WebRTC library with stacks nobody here wrote, each as offerer and as answerer.

One description of what has to work, driven against all of them. To write the table of the documentation from a run:

    INTEROPERABILITY_TABLE=table.md .venv/bin/python -m pytest Tests/Interop/test_webrtc.py
"""

import asyncio
import importlib.metadata
import os
import re

import pytest
from playwright.async_api import async_playwright
from processes import run

from lossy_path import LossyPath
from webrtc_stacks import PATIENCE, AiortcPeer, BrowserPeer, ProcessPeer, checksum, launch, pattern

STACKS = {"aiortc": "aiortc", "chromium": "Chromium", "firefox": "Firefox ESR", "pion": "Pion"}
OUR_LIMIT = 262_144


@pytest.fixture(scope="module")
def loop():
    """One loop for all tests of this file: a browser lives on the loop it was started on."""
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture(scope="module")
def stacks(loop, root, table):
    """stacks(NAME) starts a peer of that stack. Browsers and Pion's program are made ready when first asked for."""
    stack = Stacks(root, table)
    yield stack.start
    loop.run_until_complete(stack.close())


class Stacks:
    def __init__(self, root, table):
        self.root = root
        self.table = table
        self.playwright = None
        self.browsers = {}
        self.pion = None

    async def start(self, name):
        match name:
            case "aiortc":
                self.table.versions[name] = importlib.metadata.version("aiortc")
                return await AiortcPeer.start()
            case "pion":
                return await ProcessPeer.start(self.pion or self.build_pion())
            case _:
                return await BrowserPeer.start(self.browsers.get(name) or await self.launch(name))

    def build_pion(self):
        self.pion = str(self.root / ".build" / "pion-interop")
        run([self.root / "Scripts/build-pion", self.root / "Tests/Interop/pion", self.pion], timeout=240, check=True)
        version = run([self.pion, "--version"], timeout=30, check=True, capture_output=True, text=True)
        self.table.versions["pion"] = version.stdout.strip()
        return self.pion

    async def launch(self, name):
        self.playwright = self.playwright or await async_playwright().start()
        self.browsers[name] = await launch(self.playwright, name)
        self.table.versions[name] = self.browsers[name].version
        return self.browsers[name]

    async def close(self):
        for browser in self.browsers.values():
            await browser.close()
        if self.playwright:
            await self.playwright.stop()


class Table:
    """What was run against what, for the documentation."""

    def __init__(self):
        self.versions = {}
        self.passed = {}

    def write(self, path):
        scenarios = list(dict.fromkeys(scenario for _, _, scenario in self.passed))
        columns = [(stack, offers) for stack in self.versions for offers in (True, False)]
        heads = [
            f"{STACKS[stack]} {self.versions[stack]}, {'answering' if offers else 'offering'}" for stack, offers in columns
        ]
        lines = ["| | " + " | ".join(heads) + " |", "|---" * (len(columns) + 1) + "|"]
        for scenario in scenarios:
            cells = [self.passed.get((stack, offers, scenario), "not run") for stack, offers in columns]
            lines.append(f"| {scenario} | " + " | ".join(cells) + " |")
        with open(path, "w") as file:
            file.write("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def table():
    table = Table()
    yield table
    if path := os.environ.get("INTEROPERABILITY_TABLE"):
        table.write(path)


class Session:
    """A Swift peer, a peer of another stack, and the channels that were created before they connected."""

    def __init__(self, swift, other, swift_offers, path=None):
        self.path = path
        self.swift = swift
        self.other = other
        self.offerer, self.answerer = (swift, other) if swift_offers else (other, swift)
        self.limit = None  # The largest message the other stack takes, as it says itself.

    async def connect(self, **channels):
        """Creates the channels (label=options) at the offerer, connects, waits until both sides have all open."""
        for label, options in channels.items():
            await self.offerer.command(cmd="create", label=label, **options)
        await self.offerer.command(cmd="offer")
        (offer,) = await self.offerer.wait(event="description")
        await self.answerer.command(cmd="remote", type="offer", sdp=self.led(offer["sdp"], 0))
        (answer,) = await self.answerer.wait(event="description")
        await self.offerer.command(cmd="remote", type="answer", sdp=self.led(answer["sdp"], 1))
        for label in channels:
            await self.opened(label)
        (theirs,) = await self.other.wait(event="description")
        announced = re.search(r"^a=max-message-size:(\d+)", theirs["sdp"], re.MULTILINE)
        # Absent means 65,536 (RFC 8841 section 6.1), 0 means any size.
        self.limit = int(announced[1]) or OUR_LIMIT if announced else 65_536

    def led(self, sdp, side):
        """A description that leads through the path, if there is one."""
        return self.path.redirect(sdp, side) if self.path else sdp

    async def opened(self, label):
        for peer in (self.swift, self.other):
            await peer.wait(event="open", label=label)

    def directions(self):
        return [(self.swift, self.other), (self.other, self.swift)]

    async def stop(self):
        await self.swift.stop()
        await self.other.stop()


# scenario title -> coroutine of a session
SCENARIOS = {}


def scenario(title):
    def register(body):
        SCENARIOS[title] = body
        return body

    return register


@scenario("text, binary, empty")
async def kinds(session):
    await session.connect(chat={})
    for sender, receiver in session.directions():
        for text in ("grüße 🌳", ""):
            await sender.command(cmd="send", label="chat", kind="text", text=text)
            await sender.command(cmd="send", label="chat", kind="binary", text=text)
        await sender.command(cmd="send", label="chat", kind="binary", size=1000, seed=7)
        messages = await receiver.wait(event="message", label="chat", count=5)
        told = [(m["kind"], m["size"], m.get("text")) for m in messages]
        size = len("grüße 🌳".encode())
        assert told == [
            ("text", size, "grüße 🌳"),
            ("binary", size, None),
            ("text", 0, ""),
            ("binary", 0, None),
            ("binary", 1000, None),
        ]
        assert messages[1]["checksum"] == checksum("grüße 🌳".encode())
        assert messages[4]["checksum"] == checksum(pattern(1000, 7))


@scenario("200 KB, or the announced limit")
async def large(session):
    await session.connect(chat={})
    size = min(200_000, session.limit)
    for sender, receiver in session.directions():
        for seed in range(3):
            await sender.command(cmd="send", label="chat", kind="binary", size=size, seed=seed)
        messages = await receiver.wait(event="message", label="chat", count=3)
        assert [m["size"] for m in messages] == [size] * 3
        assert [m["checksum"] for m in messages] == [checksum(pattern(size, seed)) for seed in range(3)]
    # What the other side would not take must be refused here, and cost nothing but that.
    limit = min(session.limit, OUR_LIMIT)
    await session.swift.command(cmd="send", label="chat", kind="binary", size=limit + 1)
    (refusal,) = await session.swift.wait(event="error")
    assert str(limit) in refusal["reason"]
    await session.swift.command(cmd="send", label="chat", kind="binary", size=limit)
    await session.other.wait(event="message", size=limit, count=4 if limit == size else 1)


@scenario("1,000 small, ordered")
async def ordered(session):
    await session.connect(chat={})
    for sender, _ in session.directions():
        await sender.command(cmd="send", label="chat", kind="text", text="#", count=1000)
    for _, receiver in session.directions():
        await receiver.wait(event="message", label="chat", count=1000)
        assert receiver.texts("chat") == [str(number) for number in range(1000)]


@scenario("unordered, partially reliable")
async def partial(session):
    channels = {
        "unordered": {"ordered": False},
        "retransmits": {"ordered": False, "maxRetransmits": 3},
        "lifetime": {"ordered": False, "maxPacketLifeTime": 2000, "protocol": "game-1"},
        "both": {"ordered": True, "maxRetransmits": 0},
    }
    await session.connect(**channels)
    for label, options in channels.items():
        (announced,) = await session.answerer.wait(event="channel", label=label)
        told = {key: announced.get(key) for key in ("ordered", "maxRetransmits", "maxPacketLifeTime")}
        assert told == {"ordered": True, "maxRetransmits": None, "maxPacketLifeTime": None} | {
            key: value for key, value in options.items() if key != "protocol"
        }
        assert announced["protocol"] == options.get("protocol", "")
    # Ten at a time: all at once overflow the socket of a receiver that has to wait for the processor (400 datagrams, where
    # Linux has room for 250), and what may not be sent again is lost then, as it should be.
    for ten in range(10):
        for label in channels:
            for sender, _ in session.directions():
                await sender.command(cmd="send", label=label, kind="text", text=f"{ten}#", count=10)
        for label in channels:
            for _, receiver in session.directions():
                await receiver.wait(event="message", label=label, count=10 * ten + 10)
    for label, options in channels.items():
        for _, receiver in session.directions():
            numbers = list(map(int, receiver.texts(label)))
            assert (numbers if options["ordered"] else sorted(numbers)) == list(range(100))


@scenario("three channels at once")
async def several(session):
    await session.connect(first={}, second={})
    await session.answerer.command(cmd="create", label="third")
    await session.opened("third")
    labels = ["first", "second", "third"]
    for sender, _ in session.directions():
        for seed in range(20):
            for index, label in enumerate(labels):
                await sender.command(cmd="send", label=label, kind="binary", size=5000 + index, seed=seed)
    for _, receiver in session.directions():
        for index, label in enumerate(labels):
            messages = await receiver.wait(event="message", label=label, count=20)
            expected = [checksum(pattern(5000 + index, seed)) for seed in range(20)]
            assert [m["checksum"] for m in messages] == expected


@scenario("a channel closed by either side")
async def close_channel(session):
    await session.connect(first={}, second={})
    for closer, label in [(session.swift, "first"), (session.other, "second")]:
        await closer.command(cmd="close-channel", label=label)
        await session.swift.wait(event="closed", label=label)
        await session.other.wait(event="closed", label=label)
        # Its stream is free again.
        await session.offerer.command(cmd="create", label=f"after {label}")
        await session.opened(f"after {label}")
        for sender, receiver in session.directions():
            await sender.command(cmd="send", label=f"after {label}", kind="text", text="still here")
            await receiver.wait(event="message", label=f"after {label}", text="still here")


@scenario("a channel closed amid its messages")
async def close_while_sending(session):
    await session.connect(first={}, second={}, third={})
    for (sender, receiver), label in zip(session.directions(), ["first", "second"]):
        for seed in range(40):
            await sender.command(cmd="send", label="third", kind="binary", size=20_000, seed=seed)
            await sender.command(cmd="send", label=label, kind="binary", size=20_000, seed=seed)
        await sender.command(cmd="close-channel", label=label)
        expected = [checksum(pattern(20_000, seed)) for seed in range(40)]
        await sender.wait(event="closed", label=label)
        await receiver.wait(event="closed", label=label)
        # What was handed over before arrives, and the other channel does not mind.
        for told in (label, "third"):
            messages = await receiver.wait(event="message", label=told, count=40)
            assert [m["checksum"] for m in messages] == expected


@scenario("1,024 channels")
async def many(session):
    # Half of them each: every second stream is one's own, and browsers have 1,024.
    offered, answered = ([f"{side}{number}" for number in range(512)] for side in ("offered", "answered"))
    await session.connect(offered0={})
    for peer, labels in [(session.offerer, offered[1:]), (session.answerer, answered)]:
        await peer.commands(*({"cmd": "create", "label": label} for label in labels))
    for label in offered + answered:
        await session.opened(label)
    for sender, _ in session.directions():
        sending = {"cmd": "send", "kind": "text"}
        await sender.commands(*({**sending, "label": label, "text": label} for label in offered + answered))
    for _, receiver in session.directions():
        messages = await receiver.wait(event="message", count=1024)
        assert sorted(m["label"] for m in messages) == sorted(offered + answered)
        assert all(m["label"] == m["text"] for m in messages)


@scenario("the connection closed by peer-tree")
async def close_connection(session):
    await session.connect(chat={})
    await session.swift.command(cmd="close")
    await session.swift.wait(event="closed", label="chat")
    await session.swift.wait(event="state", state="closed")
    await session.other.wait(event="closed", label="chat")


@scenario("the connection closed by the other")
async def other_closes_connection(session):
    await session.connect(chat={})
    await session.other.command(cmd="close")
    await session.swift.wait(event="closed", label="chat")
    await session.swift.wait(event="state", state="closed")


@pytest.mark.parametrize("swift_offers", [True, False], ids=["answering", "offering"])
@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("title", SCENARIOS, ids=[body.__name__ for body in SCENARIOS.values()])
def test_works_with(loop, stacks, table, program, stack, swift_offers, title):
    async def body():
        swift = await ProcessPeer.start(program("webrtc-interop"), "peer")
        session = Session(swift, await stacks(stack), swift_offers)
        try:
            await SCENARIOS[title](session)
        finally:
            await session.stop()

    table.passed[stack, swift_offers, title] = "failed"
    loop.run_until_complete(asyncio.wait_for(body(), 4 * PATIENCE))
    table.passed[stack, swift_offers, title] = "yes"


@pytest.mark.parametrize("swift_offers", [True, False], ids=["answering", "offering"])
@pytest.mark.parametrize("stack", STACKS)
def test_loses_nothing_at_1_5_and_20_percent_loss_with(loop, stacks, table, program, stack, swift_offers):
    sizes = [1, 1_000, 1_200, 5_000, 30_000, 7]

    async def body():
        path = await LossyPath.open(seed=7)
        swift = await ProcessPeer.start(program("webrtc-interop"), "peer")
        session = Session(swift, await stacks(stack), swift_offers, path)
        try:
            await session.connect(chat={})
            path.reordering = 0.05
            for round, loss in enumerate((0.01, 0.05, 0.2)):
                path.loss = loss
                for sender, _ in session.directions():
                    for seed, size in enumerate(sizes):
                        await sender.command(cmd="send", label="chat", kind="binary", size=size, seed=seed)
                expected = [checksum(pattern(size, seed)) for seed, size in enumerate(sizes)] * (round + 1)
                for _, receiver in session.directions():
                    # Others double their time-outs from a second on.
                    messages = await receiver.wait(event="message", label="chat", count=len(expected), patience=3 * PATIENCE)
                    assert [m["checksum"] for m in messages] == expected, f"seed {path.seed}"
            assert path.lost > 0
        finally:
            await session.stop()
            path.close()

    title = "1, 5 and 20 % loss, reordering"
    table.passed[stack, swift_offers, title] = "failed"
    loop.run_until_complete(asyncio.wait_for(body(), 6 * PATIENCE))
    table.passed[stack, swift_offers, title] = "yes"
