"""Encrypted broadcasts between pages and native peers."""

import subprocess

import pytest
from conftest import in_thread
from processes import running
from visitors import broadcast_camera, site, visit  # noqa: F401

BROWSERS = ["chromium", "firefox"]
TEXT = "What only those may read who have the link. " * 3000

ENTER = """async ([tree, secret]) => {
  const client = makeClient('built-in', secret ? { secret } : {});
  window.unreadable = [];
  client.on('unreadable', ({ reason }) => unreadable.push(reason));
  collect(client);
  await client.connect(tree);
}"""

SOURCE = """async () => {
  const client = makeClient('built-in', { encrypt: true });
  return [await client.create(), client.secret];
}"""


@pytest.mark.parametrize("browser", BROWSERS)
async def test_pages_and_native_viewers_read_what_a_page_encrypts(serve, peer_tree, open_page, tmp_path, browser):
    with serve(k=1, k1=1) as server:
        source = await open_page(browser, server)
        tree, secret = await source.evaluate(SOURCE)
        page = await open_page(browser, server)
        await page.evaluate(ENTER, [tree, secret])
        await page.evaluate("() => until(() => has('connect'))")
        with running(peer_tree, "watch", f"{server}/watch/{tree}#key={secret}", "-o", tmp_path / "x", "--json") as native:
            await in_thread(native.event, "connect")
            # Many at once, and some that are cut into several chunks.
            write = "async (text) => { client.write(text); for (const piece of text.match(/.{1,40}/g)) client.write(piece); client.end(); }"
            await source.evaluate(write, TEXT)
            await page.evaluate("() => until(() => has('end'))")
            assert await in_thread(native.wait, 20) == 0
        assert await page.evaluate("async () => await new Blob(parts).text()") == TEXT * 2
        assert (tmp_path / "x").read_text() == TEXT * 2
        assert await page.evaluate("[unreadable, errors]") == [[], []]


@pytest.mark.parametrize("browser", BROWSERS)
async def test_pages_without_the_key_say_so_and_pass_on_what_they_cannot_read(serve, peer_tree, open_page, browser):
    with serve(k=1, k1=1) as server:
        command = ["broadcast", "-", "--raw", "--encrypt", "--server", server, "--k1", 1, "--linger", 10, "--json"]
        with running(peer_tree, *command, stdin=subprocess.PIPE) as source:
            told = await in_thread(source.event, "link")
            secret = told["link"].partition("#key=")[2]
            pages = []
            for key in [None, "A" * 43, secret]:
                pages.append(await open_page(browser, server))
                await pages[-1].evaluate(ENTER, [told["tree"], key])
                await pages[-1].evaluate("() => until(() => has('connect'))")
            source.process.stdin.write(TEXT.encode())
            source.process.stdin.close()
            for page in pages:
                await page.evaluate("() => until(() => has('end'))")
            seen = [await page.evaluate("async () => [await new Blob(parts).text(), unreadable, errors]") for page in pages]
        assert seen == [["", ["secret-missing"], []], ["", ["wrong-secret"], []], [TEXT, [], []]]


async def test_a_camera_is_encrypted_for_whoever_has_the_whole_link(peer_tree, visit):  # noqa: F811
    with site(peer_tree, "--k", 1, "--k1", 1) as (address, _):
        source = await visit("chromium", address)
        await source.page.check("#encrypt")
        link = await broadcast_camera(source, "Only for you")
        bare, _, secret = link.partition("#key=")
        assert len(secret) == 43
        await source.screenshot("broadcast-encrypted")
        asked = []
        locked = await visit("chromium", bare)
        await locked.says("This broadcast is locked")
        await locked.says("You pass the broadcast on all the same.")
        await locked.screenshot("watch-locked")
        open_ = await visit("firefox", "about:blank")
        open_.page.on("request", lambda request: asked.append(request.url + (request.post_data or "")))
        open_.page.on("websocket", lambda line: line.on("framesent", lambda data: asked.append(str(data))))
        await open_.page.goto(link)
        await open_.plays()
        assert await open_.page.inner_text("#title") == "Only for you"
        assert secret not in await open_.page.title()
        kept = await open_.page.evaluate("JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie])")
        assert secret not in kept
        assert len(asked) > 3 and not any(secret in text for text in asked)
        cut = await visit("chromium", link[:-3])
        await cut.says("The key at the end of this link is not whole.")
