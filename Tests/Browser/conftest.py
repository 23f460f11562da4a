"""What the browser tests share: a server of ours, Chromium and Firefox, and a blank page that has the client."""

import asyncio
import shutil
import sys
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import async_playwright

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(HERE), str(ROOT / "Tests" / "Interop")]

from processes import running  # noqa: E402
from programs import peer_tree, program  # noqa: E402, F401
from scene import CHROMIUM_FLAGS, PAGE  # noqa: E402
from standing import pytest_exception_interact  # noqa: E402, F401

FIREFOX_PREFERENCES = {
    "media.navigator.permission.disabled": True,
    "media.navigator.streams.fake": True,
    "media.peerconnection.ice.obfuscate_host_addresses": False,
    "media.autoplay.default": 0,
    "media.autoplay.blocking_policy": 0,
    # A page may open another tab, which hides it.
    "dom.disable_open_during_load": False,
    "browser.tabs.loadDivertedInBackground": False,
}



@pytest.fixture(scope="session")
def socket_io_client():
    """The source of socket.io-client 4.8.1, which the wheel nicegui carries."""
    return (ROOT / ".venv" / "apart" / "nicegui" / "static" / "socket.io.min.js").read_text()


@pytest.fixture
def serve(peer_tree):
    """serve(OPTION…, k=…, k1=…) runs a server for the length of the block; gives its address."""
    import contextlib

    @contextlib.contextmanager
    def start(*options, k=4, k1=10):
        with running(peer_tree, "serve", "--port", 0, "--k", k, "--k1", k1, *options, "--json") as process:
            yield f"http://127.0.0.1:{process.event('listening')['port']}"

    return start


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def playwright():
    async with async_playwright() as instance:
        yield instance


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browsers(playwright):
    """browsers(NAME) is a running browser; each is started once."""
    started = {}

    async def get(name):
        if name not in started:
            if name == "chromium":
                path = shutil.which("chromium-headless-shell") or shutil.which("chromium")
                assert path, "Chromium is not installed: Scripts/bootstrap test"
                started[name] = await playwright.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS)
            else:
                path = shutil.which("firefox-esr") or shutil.which("firefox")
                assert path, "Firefox is not installed: Scripts/bootstrap test"
                started[name] = await playwright.firefox.launch(
                    channel="moz-firefox", executable_path=path, firefox_user_prefs=FIREFOX_PREFERENCES
                )
        return started[name]

    yield get
    for browser in started.values():
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def open_page(browsers, socket_io_client):
    """open_page(BROWSER, SERVER) is a blank page of the server's origin that has the client; closed after the test."""
    contexts = []

    async def start(name, server, browser=None):
        context = await (browser or await browsers(name)).new_context()
        contexts.append(context)
        page = await context.new_page()
        await page.route("**/blank", lambda route: route.fulfill(body=PAGE, content_type="text/html"))
        await page.route(
            "**/socket.io.js", lambda route: route.fulfill(body=socket_io_client, content_type="text/javascript")
        )
        page.on("console", lambda message: print(name, message.type, message.text))
        if name == "chromium":
            # A page that did not come over the network may not connect to this machine: one that did is filled anew.
            await page.goto(f"{server}/healthz")
            await page.set_content(PAGE)
        else:
            await page.goto(f"{server}/blank")
        await page.wait_for_function("() => globalThis.PeerTreeClient && globalThis.io && globalThis.has")
        return page

    yield start
    for context in contexts:
        await context.close()


@pytest.fixture
def report(record_property):
    """report(LINE) notes something measured, which is printed when all tests are through."""
    return lambda line: record_property("measured", line)


def pytest_terminal_summary(terminalreporter):
    for outcome in ("passed", "failed"):
        for told in terminalreporter.stats.get(outcome, []):
            for name, value in told.user_properties:
                if told.when == "call" and name == "measured":
                    terminalreporter.write_line(value)


async def in_thread(function, *arguments):
    """Waits for something that blocks while the pages go on."""
    return await asyncio.get_running_loop().run_in_executor(None, function, *arguments)
