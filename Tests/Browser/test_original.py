"""Pages that were written for the original package run unchanged, among peers of ours and clients of the original."""

import hashlib
import sys
from pathlib import Path

import pytest
from conftest import in_thread
from processes import running

LEGACY = Path(__file__).resolve().parent.parent / "Interop" / "legacy_peer.py"

# As applications of the original do it: the page passes on what comes from above.
VIEWER = """
(tree) => {
  window.received = [];
  const downstream = [];
  const socket = io(location.origin);
  const client = new PeerTreeClient(socket, { timeout: 5000 });
  client.connect(tree);
  client.on('discover', (treeID) => events.push(['discover', treeID]));
  client.on('upstreamPeer', (peer) => {
    peer.on('connect', () => events.push(['upstream']));
    peer.on('data', (data) => {
      received.push(data);
      downstream.forEach((other) => other.write(data));
    });
  });
  client.on('downstreamPeer', (peer) => {
    downstream.push(peer);
    peer.once('connect', () => events.push(['downstream']));
    peer.on('close', () => downstream.splice(downstream.indexOf(peer), 1));
  });
  client.on('error', (error) => errors.push(error.message));
  window.client = client;
  return until(() => has('upstream'));
}
"""

SOURCE = """
() => new Promise((resolve) => {
  window.peers = [];
  const client = new PeerTreeClient(io(location.origin));
  client.create();
  client.on('discover', resolve);
  client.on('downstreamPeer', (peer) => peer.on('connect', () => peers.push(peer)));
  window.client = client;
})
"""

RECEIVED = "async () => hex(await crypto.subtle.digest('SHA-256', await new Blob(received).arrayBuffer()))"


@pytest.mark.parametrize("browser", ["chromium", "firefox"])
async def test_a_page_of_the_original_passes_on_between_native_and_legacy_peers(
    serve, open_page, peer_tree, tmp_path, browser
):
    data = bytes(range(256)) * 1000
    (tmp_path / "payload").write_bytes(data)
    with serve(k=2, k1=1) as server:
        source = running(
            *[peer_tree, "broadcast", tmp_path / "payload", "--raw", "--unsigned", "--rate", "200k", "--viewers", 3, "--k1", 1],
            *["--server", server],
        )
        with source as native:
            link = await in_thread(native.line)
            tree = link.rsplit("/", 1)[1]
            page = await open_page(browser, server)
            await page.evaluate(VIEWER, tree)
            legacy = running(sys.executable, LEGACY, server, "--tree", tree, "--output", tmp_path / "legacy")
            with legacy as below, running(peer_tree, "watch", link, "--output", tmp_path / "native", "--json") as leaf:
                await in_thread(below.event, "upstream")
                await in_thread(leaf.event, "connect")
                await page.evaluate(
                    "(size) => until(() => received.reduce((sum, data) => sum + data.length, 0) === size, 30000)", len(data)
                )
                assert await page.evaluate(RECEIVED) == hashlib.sha256(data).hexdigest()
                while (message := await in_thread(below.event, "message"))["total"] < len(data):
                    pass
                assert message["sha256"] == hashlib.sha256(data).hexdigest()
            assert await page.evaluate("errors") == []


async def test_a_source_of_the_original_writes_to_each_peer_below_it(serve, open_page, peer_tree):
    with serve() as server:
        source = await open_page("chromium", server)
        tree = await source.evaluate(SOURCE)
        ours, theirs = await open_page("firefox", server), await open_page("chromium", server)
        await theirs.evaluate(VIEWER, tree)
        await ours.evaluate(
            """async (tree) => {
              const client = makeClient('built-in');
              collect(client);
              await client.connect(tree);
              await until(() => has('connect'));
            }""",
            tree,
        )
        await source.evaluate("() => until(() => peers.length === 2)")
        await source.evaluate("() => peers.forEach((peer) => { peer.write('hello'); peer.write(new Uint8Array([1, 2])); })")
        await theirs.evaluate("() => until(() => received.length === 2)")
        await ours.evaluate("() => until(() => parts.length === 2)")
        expected = [b"hello".hex(), "0102"]
        assert await theirs.evaluate("received.map((data) => hex(data))") == expected
        assert await ours.evaluate("parts.map((data) => hex(data))") == expected
