"""What the browser tests share: a server of ours, Chromium and Firefox, and a blank page that has the client."""

import asyncio
import os
import shutil
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import async_playwright

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "Tests" / "Interop"))

from processes import running  # noqa: E402

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    "--disable-features=WebRtcHideLocalIpsWithMdns,LocalNetworkAccessChecks,LocalNetworkAccessChecksWebSockets",
    "--allow-loopback-in-peer-connection",
]
FIREFOX_PREFERENCES = {
    "media.navigator.permission.disabled": True,
    "media.navigator.streams.fake": True,
    "media.peerconnection.ice.obfuscate_host_addresses": False,
    "media.autoplay.default": 0,
    "media.autoplay.blocking_policy": 0,
}

PAGE = """<!doctype html><title>blank</title>
<script src="/socket.io.js"></script>
<script src="/peer-tree-client.js"></script>
<script>
const settled = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const hex = (bytes) => [...new Uint8Array(bytes)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
window.events = [];
window.errors = [];
addEventListener('error', (event) => errors.push(event.message));
addEventListener('unhandledrejection', (event) => errors.push(String(event.reason)));
function makeClient(kind, options = {}) {
  const socket = kind === 'socket.io-client' ? io(location.origin, { transports: ['websocket'] }) : location.origin;
  const client = new PeerTreeClient(socket, options);
  window.client = client;
  window.parts = [];
  window.total = 0;
  client.on('error', (error) => errors.push(error.message));
  for (const name of ['discover', 'connect', 'disconnect', 'end', 'complete', 'gap', 'drain']) {
    client.on(name, (...values) => events.push([name, ...values]));
  }
  return client;
}
function collect(client) {
  client.on('data', (data) => {
    const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : data;
    parts.push(bytes);
    total += bytes.length;
  });
}
async function digest() {
  return { bytes: total, sha256: hex(await crypto.subtle.digest('SHA-256', await new Blob(parts).arrayBuffer())) };
}
async function until(condition, milliseconds = 20000) {
  const end = performance.now() + milliseconds;
  while (!await condition()) {
    if (performance.now() > end) throw new Error(`in vain: ${condition}; events ${JSON.stringify(events)}, errors ${errors}`);
    await settled(20);
  }
}
window.has = (name) => events.some((event) => event[0] === name);
</script>"""


@pytest.fixture(scope="session")
def program():
    """program(NAME) is the path of a built program; a missing one fails the test, it is never skipped."""
    folder = Path(os.environ.get("PEER_TREE_BIN", ROOT / ".build" / "debug"))

    def find(name):
        path = folder / name
        assert path.is_file(), f"{path} is not built: run `swift build`, or set PEER_TREE_BIN to the folder it is in"
        return str(path)

    return find


@pytest.fixture
def peer_tree(program):
    return program("peer-tree")


@pytest.fixture(scope="session")
def socket_io_client():
    """The source of socket.io-client 4.8.1, which the wheel nicegui carries."""
    return Path(distribution("nicegui").locate_file("nicegui/static/socket.io.min.js")).read_text()


@pytest.fixture
def serve(peer_tree):
    """serve(k=…, k1=…) runs a server for the length of the block; gives its address."""
    import contextlib

    @contextlib.contextmanager
    def start(k=4, k1=10):
        with running(peer_tree, "serve", "--port", 0, "--k", k, "--k1", k1, "--json") as process:
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


async def in_thread(function, *arguments):
    """Waits for something that blocks while the pages go on."""
    return await asyncio.get_running_loop().run_in_executor(None, function, *arguments)
