"""Bytes and text through trees of browsers and native peers."""

import hashlib
import os
import subprocess

import pytest
from conftest import in_thread
from processes import running


def digest(data):
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


@pytest.fixture
def payload(tmp_path):
    path = tmp_path / "payload"
    path.write_bytes(os.urandom(3_000_000))
    return path


async def watch(page, link, kind="built-in", options=None):
    """Makes the page a viewer of the tree of a link."""
    tree = link.rsplit("/", 1)[1]
    await page.evaluate(
        """async ([kind, tree, options]) => {
          const client = makeClient(kind, options);
          collect(client);
          await client.connect(tree);
          await until(() => has('connect'));
        }""",
        [kind, tree, options or {}],
    )


async def whole(page):
    """What the page received, once the stream has ended."""
    return await page.evaluate("async () => { await until(() => has('end'), 60000); return digest(); }")


@pytest.mark.parametrize(
    ("browser", "kind", "engine"),
    [
        ("chromium", "built-in", None),
        ("chromium", "socket.io-client", None),
        ("firefox", "built-in", None),
        ("firefox", "socket.io-client", None),
    ],
)
async def test_a_file_goes_from_native_to_browser_to_native_unchanged(
    serve, open_page, peer_tree, payload, tmp_path, browser, kind, engine
):
    # A page that pauses for a tenth of a second, as one may, is helped by the standby, which is the source here.
    with serve("--standbys", "off", k=1, k1=1) as server:
        with running(peer_tree, "broadcast", payload, "--raw", "--viewers", 2, "--k1", 1, "--server", server) as source:
            link = await in_thread(source.line)
            page = await open_page(browser, server)
            await watch(page, link, kind, {"engine": engine} if engine else {})
            with running(peer_tree, "watch", link, "--output", tmp_path / "copy", "--json") as leaf:
                assert await whole(page) == digest(payload.read_bytes())
                assert await in_thread(leaf.wait) == 0
                counters = await page.evaluate("client.statistics()")
                # The source stays until its viewers have left, or for half a minute.
                await page.evaluate("client.leave()")
                assert await in_thread(source.wait) == 0
            assert counters["bytesSent"] > 3_000_000
            assert await page.evaluate("errors") == []
    assert digest((tmp_path / "copy").read_bytes()) == digest(payload.read_bytes())


@pytest.mark.parametrize("browser", ["chromium", "firefox"])
async def test_a_browser_broadcasts_text_and_bytes_to_native_and_browser(serve, open_page, peer_tree, tmp_path, browser):
    other = "firefox" if browser == "chromium" else "chromium"
    with serve(k=1, k1=2) as server:
        source = await open_page(browser, server)
        tree = await source.evaluate("() => makeClient('built-in').create()")
        viewer = await open_page(other, server)
        await watch(viewer, f"{server}/watch/{tree}")
        with running(peer_tree, "watch", f"{server}/watch/{tree}", "--output", tmp_path / "copy", "--json") as leaf:
            await in_thread(leaf.event, "connect")
            sent = await source.evaluate(
                """async () => {
                  const bytes = crypto.getRandomValues(new Uint8Array(50_000));
                  client.write('héllo');
                  client.write(bytes);
                  client.write('');
                  client.write('wörld');
                  client.end();
                  await client.complete();
                  return { middle: hex(bytes), count: (await client.statistics()).children };
                }"""
            )
            assert await in_thread(leaf.wait) == 0
        await viewer.evaluate("() => until(() => has('end'))")
        got = await viewer.evaluate("() => parts.map((part) => hex(part))")
        expected = ["héllo".encode().hex(), sent["middle"], "", "wörld".encode().hex()]
        assert got == expected
        assert (tmp_path / "copy").read_bytes().hex() == "".join(expected)
        assert await source.evaluate("errors") == [] == await viewer.evaluate("errors")


async def test_a_page_is_told_of_a_message_that_is_too_large_and_writes_on(serve, open_page):
    with serve() as server:
        source, viewer = await open_page("chromium", server), await open_page("chromium", server)
        tree = await source.evaluate("() => makeClient('built-in', { limits: { maximumMessageBytes: 1_000 } }).create()")
        await watch(viewer, f"{server}/watch/{tree}")
        refusal = await source.evaluate(
            """async () => {
              const attempt = (data) => {
                try { return client.write(data); } catch ({ code, message }) { return { code, message }; }
              };
              const refusal = attempt(new Uint8Array(1_001));
              const taken = attempt(new Uint8Array(1_000)) !== undefined;
              client.end();
              await client.complete();
              return { ...refusal, taken };
            }"""
        )
        assert refusal == {
            "code": "message-too-large", "taken": True,
            "message": "A message of 1001 bytes is larger than 1000: write it in parts, or raise the limit in all clients.",
        }
        await viewer.evaluate("() => until(() => has('end'))")
        assert await viewer.evaluate("() => parts.map((part) => part.length)") == [1_000]
        assert await source.evaluate("errors") == [] == await viewer.evaluate("errors")


async def test_the_whatwg_streams_hold_the_source_back_to_the_pace_of_its_reader(serve, open_page):
    with serve() as server:
        source, viewer = await open_page("chromium", server), await open_page("chromium", server)
        tree = await source.evaluate("() => makeClient('built-in', { limits: { window: 16 } }).create()")
        await viewer.evaluate(
            """async (tree) => {
              const client = makeClient('built-in', { limits: { window: 16 } });
              window.reader = client.readable.getReader();
              await client.connect(tree);
              await until(() => has('connect'));
            }""",
            tree,
        )
        await source.evaluate(
            """() => {
              window.written = 0;
              const writer = client.writable.getWriter();
              (async () => {
                for (let i = 0; i < 400; i++) { await writer.write(new Uint8Array(16_000).fill(i)); written += 1; }
                await writer.close();
                window.isDone = true;
              })();
            }"""
        )
        await viewer.evaluate("() => settled(1500)")
        blocked = await source.evaluate("written")
        assert blocked < 200, "the source was not held back by a reader that does not read"
        count = await viewer.evaluate(
            """async () => {
              let count = 0;
              for (;;) {
                const { value, done } = await reader.read();
                if (done) return count;
                if (value.some((byte) => byte !== (count & 255))) throw new Error(`message ${count} is not as written`);
                count += 1;
              }
            }"""
        )
        assert count == 400
        await source.evaluate("() => until(() => window.isDone)")


async def test_when_an_interior_page_is_closed_the_others_get_everything(serve, open_page, peer_tree, payload, tmp_path):
    with serve(k=1, k1=1) as server:
        arguments = ["broadcast", payload, "--raw", "--rate", "600k", "--viewers", 3, "--k1", 1, "--server", server]
        with running(peer_tree, *arguments) as source:
            link = await in_thread(source.line)
            pages = []
            for name in ["chromium", "firefox"]:
                page = await open_page(name, server)
                await watch(page, link)
                pages.append(page)
            with running(peer_tree, "watch", link, "--output", tmp_path / "copy", "--json") as leaf:
                await pages[1].evaluate("() => until(() => total > 300_000)")
                await pages[0].close()
                assert await whole(pages[1]) == digest(payload.read_bytes())
                assert await in_thread(leaf.wait) == 0
            assert await pages[1].evaluate("events.filter(([name]) => name === 'gap')") == []
    assert digest((tmp_path / "copy").read_bytes()) == digest(payload.read_bytes())
