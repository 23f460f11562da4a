"""A Chromium without a driver. Drivers make every page believe that it is in front; here a page can really be hidden."""

import asyncio
import contextlib
import json
import shutil
import tempfile
from pathlib import Path

import aiohttp
from processes import running
from scene import CHROMIUM_FLAGS, PAGE


class BarePage:
    """The page of a Chromium that nothing was changed about."""

    def __init__(self, session, port):
        self.session = session
        self.origin = f"http://127.0.0.1:{port}"
        self.last = 0

    async def attach(self):
        async with self.session.get(f"{self.origin}/json") as answer:
            pages = [target for target in await answer.json(content_type=None) if target["type"] == "page"]
        self.socket = await self.session.ws_connect(pages[0]["webSocketDebuggerUrl"], max_msg_size=0)

    async def command(self, method, **parameters):
        self.last += 1
        await self.socket.send_json({"id": self.last, "method": method, "params": parameters})
        while True:
            message = await self.socket.receive_json()
            if message.get("id") == self.last:
                assert "error" not in message, f"{method}: {message['error']}"
                return message["result"]

    async def evaluate(self, function, argument=None):
        """What FUNCTION returns for ARGUMENT; an expression is evaluated as it is."""
        is_function = "=>" in function
        expression = f"({function})({json.dumps(argument)})" if is_function else function
        answer = await self.command(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    async def open(self, server):
        await self.command("Page.navigate", url=f"{server}/healthz")
        await self._until(f"location.origin === {json.dumps(server)} && document.readyState === 'complete'")
        await self.evaluate("(page) => { document.open(); document.write(page); document.close(); }", PAGE)
        await self._until("Boolean(globalThis.PeerTreeClient && globalThis.has)")

    async def _until(self, condition):
        async with asyncio.timeout(20):
            while not await self.evaluate(condition):
                await asyncio.sleep(0.05)

    async def hide(self):
        """Puts another tab before the page."""
        async with self.session.put(f"{self.origin}/json/new?about:blank") as answer:
            assert answer.status == 200
        await self._until("document.hidden")


@contextlib.asynccontextmanager
async def bare_chromium(server):
    """A page of SERVER with the client, in a Chromium of its own."""
    path = shutil.which("chromium")
    assert path, "Chromium is not installed: Scripts/bootstrap test"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [path, "--headless=new", "--remote-debugging-port=0", f"--user-data-dir={profile}", "--no-first-run"]
        with running(*command, *CHROMIUM_FLAGS, "about:blank") as chromium:
            told = Path(profile) / "DevToolsActivePort"
            async with asyncio.timeout(30):
                while not (told.is_file() and told.read_text().count("\n")):
                    assert chromium.process.poll() is None, f"Chromium ended at once: {chromium.error_text}"
                    await asyncio.sleep(0.05)
            async with aiohttp.ClientSession() as session:
                page = BarePage(session, told.read_text().split()[0])
                await page.attach()
                await page.open(server)
                yield page
