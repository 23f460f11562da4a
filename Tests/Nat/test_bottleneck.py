"""An emulated bottleneck that the kernel's TCP and peers of ours share."""

import base64
import contextlib
import os
import shutil
import time

import bottleneck as networks
import pytest
from peers import Peer, connect
from playwright.sync_api import sync_playwright
from processes import running

REASON = networks.why_not()
pytestmark = pytest.mark.skipif(REASON is not None, reason=str(REASON))

RATE = 8  # Mbit/s: a million bytes a second.


@pytest.fixture
def network(program):
    """Twenty milliseconds of round trip, a queue of one bandwidth-delay product."""
    with networks.bottleneck(program("path-emulator"), rate=RATE, trip=20, queue=1) as made:
        yield made


def measure(network, counters, seconds=4):
    """Bytes a second of each counter, and the mean time in the queue in milliseconds."""
    begin, before, first = time.monotonic(), network.statistics(), [counter() for counter in counters]
    time.sleep(seconds)
    after, last = network.statistics(), [counter() for counter in counters]
    elapsed = time.monotonic() - begin
    delay = (after["queueDelay"] - before["queueDelay"]) / max(1, after["queued"] - before["queued"]) / 1e6
    return [(b - a) / elapsed for a, b in zip(first, last)], delay


def wait_for(condition, what, timeout=30):
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, f"{what} in {timeout} s"
        time.sleep(0.05)


@pytest.mark.parametrize("control", networks.kernel_controls() if REASON is None else [])
def test_the_kernels_tcp_meets_the_bottleneck(network, control):
    flow = networks.TCPFlow(network, control)
    try:
        wait_for(lambda: flow.received() > 200_000, "no 200 KB arrived")
        (rate,), delay = measure(network, [flow.received])
        # A machine that is too busy slows a flow down, but nothing makes the link faster than it is.
        assert 0.3e6 < rate < 1.05e6
        assert network.statistics()["longestQueueDelay"] <= 21e6, "the queue has room for 20 ms"
        assert delay <= 20
    finally:
        flow.stop()


def test_a_peer_of_ours_and_tcp_share_the_bottleneck(network, program):
    flow = networks.TCPFlow(network, "cubic")
    near, far = (Peer(network, side, program("webrtc-interop")) for side in ("near", "far"))

    def received():
        far.command("count")
        return far.event("count")["size"]

    try:
        connect(near, far)
        near.command("fill")
        wait_for(lambda: flow.received() > 100_000 and received() > 100_000, "the two had not 100 KB each")
        rates, _ = measure(network, [flow.received, received])
        assert sum(rates) < 1.05e6
        assert all(rate > 0 for rate in rates), rates
        near.command("stop")
        count = near.event("stopped")["count"]
        far.event("received", count=count)
        assert far.all("missing") == []
    finally:
        for peer in (near, far):
            peer.stop()
        flow.stop()


# A viewer that keeps what it receives.
PAGE = """<!doctype html><title>viewer</title>
<script src="/peer-tree-client.js"></script>
<script>
let parts = [], total = 0, isOver = false;
async function watch(tree) {
  const client = new PeerTreeClient(location.origin);
  client.on('data', (data) => { parts.push(data); total += data.length; });
  client.on('end', () => { isOver = true; });
  await client.connect(tree);
}
async function everything() {
  const reader = new FileReader();
  const isRead = new Promise((resolve) => { reader.onload = resolve; });
  reader.readAsDataURL(new Blob(parts));
  await isRead;
  return reader.result.split(',')[1];
}
</script>"""


@contextlib.contextmanager
def chromium_on(network, side, folder):
    """A Chromium on one of the hosts; it is told what to do through pipes, which need no network."""
    path = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    assert path, "Chromium is not installed: Scripts/bootstrap test"
    flags = ["--no-sandbox", "--disable-features=WebRtcHideLocalIpsWithMdns,LocalNetworkAccessChecks"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=network.wrapped(side, path, folder), args=flags)
        yield browser
        browser.close()


@contextlib.contextmanager
def broadcast_from(network, side, program, path):
    """A server on one of the hosts, and a broadcast of a file beside it: the server's address, and the tree's id."""
    near = [*network.enter(side), program("peer-tree")]
    with running(*near, "serve", "--host", network.addresses[side], "--port", 0, "--json") as server:
        url = f"http://{network.addresses[side]}:{server.event('listening')['port']}"
        with running(*near, "broadcast", path, "--raw", "--unsigned", "--viewers", 1, "--server", url, "--json") as source:
            yield url, source.event("link")["link"].rsplit("/", 1)[1]


def test_a_browser_and_tcp_share_the_bottleneck(network, program, tmp_path):
    content = os.urandom(6_000_000)
    (tmp_path / "content").write_bytes(content)
    with (
        broadcast_from(network, "near", program, tmp_path / "content") as (url, tree),
        chromium_on(network, "far", tmp_path) as browser,
    ):
        page = browser.new_page()
        page.goto(f"{url}/healthz")
        page.set_content(PAGE)
        page.evaluate("tree => watch(tree)", tree)
        flow = networks.TCPFlow(network, "cubic")
        try:
            wait_for(lambda: flow.received() > 100_000 and page.evaluate("total") > 100_000, "the two had not 100 KB each")
            rates, _ = measure(network, [flow.received, lambda: page.evaluate("total")])
        finally:
            flow.stop()
        assert sum(rates) < 1.05e6
        assert all(rate > 0 for rate in rates), rates
        page.wait_for_function("isOver", timeout=60_000)
        assert base64.b64decode(page.evaluate("everything()")) == content
