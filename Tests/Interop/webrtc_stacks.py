"""One WebRTC peer of every stack, all driven by the same commands and telling the same events.

The commands and events are those of `webrtc-interop peer`: see Sources/webrtc-interop/InteropPeer.swift. Ours and
Pion's peer are processes that speak them as lines of JSON, aiortc's lives in this process, the browsers' in a page.
"""

import asyncio
import json
import pathlib
import shutil

import aiortc
from processes import end_group

HERE = pathlib.Path(__file__).resolve().parent
PATIENCE = 30
SHORT_TEXT = 1024  # Bytes up to which an event carries a text itself.

CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--allow-loopback-in-peer-connection",
    "--disable-features=WebRtcHideLocalIpsWithMdns",
]
FIREFOX_PREFERENCES = {"media.peerconnection.ice.obfuscate_host_addresses": False}


def checksum(data):
    """FNV-1a with 32 bits: the same few lines in all four languages."""
    value = 0x811C9DC5
    for byte in data:
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return value


def pattern(size, seed=0):
    """The content of a message that is given by its size."""
    return bytes((seed + index) % 251 for index in range(size))


class Peer:
    """What tests see of a peer: commands in, events out."""

    def __init__(self):
        self.events = []
        self.changed = asyncio.Condition()

    async def tell(self, *events):
        async with self.changed:
            self.events += events
            self.changed.notify_all()

    async def wait(self, count=1, patience=PATIENCE, **fields):
        """Waits until `count` events have these fields, so many seconds at most; returns all that have."""

        def matching():
            return [e for e in self.events if all(e.get(key) == value for key, value in fields.items())]

        async with self.changed:
            try:
                await asyncio.wait_for(self.changed.wait_for(lambda: len(matching()) >= count), patience)
            except asyncio.TimeoutError:
                raise AssertionError(
                    f"{self} told {len(matching())} instead of {count} of {fields}; last: {self.events[-5:]}"
                ) from None
            return matching()

    async def commands(self, *commands):
        """Several commands, one after the other."""
        for command in commands:
            await self.command(**command)

    def texts(self, label):
        return [e["text"] for e in self.events if e["event"] == "message" and e["label"] == label]


class ProcessPeer(Peer):
    """A process that speaks lines of JSON."""

    def __init__(self, process):
        super().__init__()
        self.process = process
        self.reader = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, *command):
        pipe = asyncio.subprocess.PIPE
        started = asyncio.create_subprocess_exec(
            *command, stdin=pipe, stdout=pipe, limit=1 << 22, start_new_session=True
        )
        return cls(await started)

    async def _read(self):
        async for line in self.process.stdout:
            await self.tell(json.loads(line))

    async def command(self, **fields):
        self.process.stdin.write(json.dumps(fields).encode() + b"\n")
        await self.process.stdin.drain()

    async def stop(self):
        self.process.stdin.close()
        try:
            await asyncio.wait_for(self.process.wait(), 5)
        except asyncio.TimeoutError:
            pass
        finally:
            end_group(self.process.pid)
        await self.process.wait()
        await self.reader


class AiortcPeer(Peer):
    """aiortc, in this process."""

    def __init__(self):
        super().__init__()
        self.connection = aiortc.RTCPeerConnection()
        self.channels = {}
        self.tasks = set()
        self.connection.on("datachannel", self._announced)
        self.connection.on("connectionstatechange", self._state_changed)

    @classmethod
    async def start(cls):
        return cls()

    def _soon(self, **event):
        task = asyncio.ensure_future(self.tell(event))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def _state_changed(self):
        self._soon(event="state", state=self.connection.connectionState)

    def _announced(self, channel):
        self._soon(
            event="channel",
            label=channel.label,
            ordered=channel.ordered,
            maxRetransmits=channel.maxRetransmits,
            maxPacketLifeTime=channel.maxPacketLifeTime,
            protocol=channel.protocol,
        )
        self._adopt(channel)

    def _adopt(self, channel):
        label = channel.label
        self.channels[label] = channel
        if channel.readyState == "open":
            self._soon(event="open", label=label)
        channel.on("open", lambda: self._soon(event="open", label=label))
        channel.on("close", lambda: self._soon(event="closed", label=label))
        channel.on("message", lambda message: self._received(label, message))

    def _received(self, label, message):
        is_text = isinstance(message, str)
        data = message.encode() if is_text else message
        self._soon(
            event="message",
            label=label,
            kind="text" if is_text else "binary",
            size=len(data),
            checksum=checksum(data),
            text=message if is_text and len(data) <= SHORT_TEXT else None,
        )

    async def _describe(self, description):
        await self.connection.setLocalDescription(description)
        local = self.connection.localDescription
        await self.tell({"event": "description", "type": local.type, "sdp": local.sdp})

    async def command(self, cmd, label=None, **fields):
        match cmd:
            case "create":
                options = ("ordered", "maxRetransmits", "maxPacketLifeTime", "protocol")
                self._adopt(
                    self.connection.createDataChannel(label, **{k: fields[k] for k in options if k in fields})
                )
            case "offer":
                await self._describe(await self.connection.createOffer())
            case "remote":
                await self.connection.setRemoteDescription(aiortc.RTCSessionDescription(fields["sdp"], fields["type"]))
                if fields["type"] == "offer":
                    await self._describe(await self.connection.createAnswer())
            case "send":
                is_text = fields["kind"] == "text"
                for index in range(fields.get("count", 1)):
                    if "text" in fields:
                        message = fields["text"].replace("#", str(index))
                        self.channels[label].send(message if is_text else message.encode())
                    else:
                        self.channels[label].send(pattern(fields["size"], fields.get("seed", 0)))
            case "close-channel":
                self.channels[label].close()
            case "close":
                await self.connection.close()

    async def stop(self):
        await self.connection.close()


class BrowserPeer(Peer):
    """A page of a browser, with webrtc_page.js in it."""

    def __init__(self, page):
        super().__init__()
        self.page = page

    @classmethod
    async def start(cls, browser):
        peer = cls(await browser.new_page())
        await peer.page.expose_function("deliver", lambda events: peer.tell(*events))
        await peer.page.evaluate((HERE / "webrtc_page.js").read_text())
        return peer

    async def command(self, **fields):
        await self.commands(fields)

    async def commands(self, *commands):
        # A call into the page costs milliseconds, however much is in it.
        script = "async (text) => { for (const command of JSON.parse(text)) await perform(command); }"
        await self.page.evaluate(script, json.dumps(commands))

    async def stop(self):
        await self.page.close()


async def launch(playwright, name):
    """Debian's browser of that name; one that is not installed is a failure, never a skipped test."""
    if name == "firefox":
        path = shutil.which("firefox-esr") or shutil.which("firefox")
        assert path, "Firefox is not installed: run Scripts/bootstrap test"
        return await playwright.firefox.launch(
            channel="moz-firefox", executable_path=path, firefox_user_prefs=FIREFOX_PREFERENCES
        )
    path = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    assert path, "Chromium is not installed: run Scripts/bootstrap test"
    return await playwright.chromium.launch(executable_path=path, args=CHROMIUM_ARGUMENTS)
