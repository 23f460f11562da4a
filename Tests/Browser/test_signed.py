"""Signed broadcasts on pages: what a source has not signed is neither shown nor passed on, and pages sign, too."""

import asyncio
import functools
import hashlib
import shutil
import subprocess
import sys

import pytest
from conftest import in_thread
from processes import running
from scene import CHROMIUM_FLAGS, PAGE
from test_original import LEGACY

pytest.register_assert_rewrite("hostile_acts", "stage")
import hostile_acts as acts  # noqa: E402
from stage import stage  # noqa: E402
from test_honest_pages import VIEWER, PageViewer  # noqa: E402

BROWSERS = ["chromium", "firefox"]
TEXT = "What the source says, and nobody else. " * 3000

SOURCE = """async ([kind, options]) => {
  const client = makeClient(kind, options);
  return [await client.create(), client.secret];
}"""
# Many at once, and some that are cut into several chunks.
WRITE = "async (text) => { client.write(text); for (const piece of text.match(/.{1,40}/g)) client.write(piece); client.end(); }"
# The code and the text of the error with which a page fails to enter.
REFUSAL = """async ([tree, options]) => {
  const client = new PeerTreeClient(location.origin, options);
  client.on('error', () => {});
  const error = await (tree ? client.connect(tree) : client.create()).then(() => null, (error) => [error.code, error.message]);
  client.destroy();
  return error;
}"""


@pytest.fixture
def signed_stage(peer_tree, tmp_path, open_page, browser):
    async def open_viewer(scene):
        page = await open_page(browser, scene.url)
        await page.evaluate(VIEWER, [scene.tree, {}])
        return PageViewer(page)

    return functools.partial(stage, peer_tree, tmp_path, open_viewer, identity=tmp_path / "identity")


@pytest.mark.parametrize("browser", BROWSERS)
async def test_a_page_passes_proofs_on(signed_stage, browser):
    async with signed_stage() as scene:
        page = (await scene.victim()).page
        below = await scene.bystander()
        await scene.feed(200_000)
        await scene.feed()
        await scene.everybody_is_whole()
        assert below.last("connect")
        assert [neighbour["role"] for neighbour in await page.evaluate("client.neighbours")] == ["parent", "child"]
        await scene.everybody_goes_on()


@pytest.mark.parametrize(
    ("browser", "forgery"),
    [("chromium", forgery) for forgery in acts.FORGERIES] + [("firefox", "payload")],
)
async def test_a_relay_that_forges_feeds_no_page(signed_stage, browser, forgery):
    await acts.forging_relay(signed_stage, forgery)


@pytest.mark.parametrize(
    ("browser", "kind", "options"),
    [
        ("chromium", "built-in", {}),
        ("chromium", "socket.io-client", {}),
        ("chromium", "built-in", {"encrypt": True}),
        ("firefox", "built-in", {}),
    ],
)
async def test_what_a_page_signs_reaches_native_viewers_and_pages(serve, peer_tree, open_page, tmp_path, browser, kind, options):
    with serve(k=1, k1=1) as server:
        source = await open_page(browser, server)
        tree, secret = await source.evaluate(SOURCE, [kind, {**options, "identity": True}])
        assert len(tree) == 32 and tree.startswith("s")
        link = f"{server}/watch/{tree}" + (f"#key={secret}" if secret else "")
        with running(peer_tree, "watch", link, "-o", tmp_path / "x", "--json") as native:
            await in_thread(native.event, "connect")
            page = await open_page(browser, server)
            await page.evaluate(VIEWER, [tree, {"secret": secret} if secret else {}])
            await source.evaluate(WRITE, TEXT)
            await page.evaluate("() => until(() => has('end'))")
            await page.evaluate("client.leave()")
            assert await in_thread(native.wait, 20) == 0
        assert (tmp_path / "x").read_text() == TEXT * 2
        assert await page.evaluate("async () => await new Blob(parts).text()") == TEXT * 2
        assert await page.evaluate("errors") == await source.evaluate("errors") == []


KEPT = ["built-in", {"identity": "talks", "policy": "live"}]
# Whether the private key can be read where the browser keeps it.
IS_READABLE = """() => new Promise((resolve, reject) => {
  const opening = indexedDB.open('peer-tree');
  opening.onerror = reject;
  opening.onsuccess = () => {
    const reading = opening.result.transaction('identities').objectStore('identities').get('talks');
    reading.onsuccess = () => crypto.subtle.exportKey('pkcs8', reading.result.privateKey).then(() => true, () => false).then(resolve);
  };
})"""


@pytest.mark.parametrize("browser", BROWSERS)
async def test_a_browser_keeps_a_key_under_its_name_and_gives_it_to_nobody(serve, open_page, browser):
    with serve() as server:
        page = await open_page(browser, server)
        trees = []
        for name in ["talks", "songs", "talks"]:
            trees.append((await page.evaluate(SOURCE, ["built-in", {"identity": name}]))[0])
            await page.evaluate("client.destroy()")
        assert trees[0] == trees[2] != trees[1]
        assert await page.evaluate(IS_READABLE) is False


async def test_a_source_whose_page_crashed_takes_its_tree_over(serve, peer_tree, open_page, tmp_path):
    with serve() as server:
        first = await open_page("chromium", server)
        tree, _ = await first.evaluate(SOURCE, KEPT)
        with running(peer_tree, "watch", f"{server}/watch/{tree}", "-o", tmp_path / "x", "--json") as native:
            await in_thread(native.event, "connect")
            session = await first.context.new_cdp_session(first)
            gone = asyncio.get_running_loop().create_future()
            first.on("crash", lambda _: gone.done() or gone.set_result(None))
            crash = asyncio.ensure_future(session.send("Page.crash"))
            await gone
            crash.cancel()
            # Another page of the browser has nothing but what was kept.
            again = await first.context.new_page()
            await again.goto(f"{server}/healthz")
            await again.set_content(PAGE)
            await again.wait_for_function("() => globalThis.PeerTreeClient && globalThis.has")
            assert (await again.evaluate(SOURCE, KEPT))[0] == tree
            await again.evaluate(WRITE, TEXT)
            # What the first one might have said besides is missing, as far as the viewer knows.
            assert await in_thread(native.wait, 20) == 1
        assert (tmp_path / "x.part").read_text() == TEXT * 2


async def test_a_worker_signs_for_the_page(serve, open_page):
    with serve() as server:
        page = await open_page("chromium", server)
        tree, _ = await page.evaluate(SOURCE, ["built-in", {"identity": True, "engine": "worker"}])
        assert len(tree) == 32 and tree.startswith("s")


async def test_a_page_signs_with_the_keys_it_was_given(serve, open_page):
    with serve() as server:
        page = await open_page("chromium", server)
        trees = await page.evaluate(
            """async () => {
              const identity = await crypto.subtle.generateKey('Ed25519', false, ['sign', 'verify']);
              const trees = [];
              for (let time = 0; time < 2; time++) {
                const client = makeClient('built-in', { identity });
                trees.push(await client.create());
                client.destroy();
              }
              return trees;
            }"""
        )
        assert trees[0] == trees[1]


async def test_an_original_client_below_a_page_gets_plain_messages(peer_tree, serve, open_page, tmp_path):
    data = bytes(range(256)) * 1000
    (tmp_path / "payload").write_bytes(data)
    with serve(k=1, k1=1) as server:
        command = ["broadcast", tmp_path / "payload", "--raw", "--rate", "200k", "--viewers", 2, "--server", server]
        command += ["--identity", tmp_path / "identity"]
        with running(peer_tree, *command) as source:
            tree = (await in_thread(source.line)).rsplit("/", 1)[1]
            page = await open_page("chromium", server)
            await page.evaluate(VIEWER, [tree, {}])
            legacy = running(sys.executable, LEGACY, server, "--tree", tree, "--output", tmp_path / "legacy")
            with legacy as below:
                await in_thread(below.event, "upstream")
                while (message := await in_thread(below.event, "message"))["total"] < len(data):
                    pass
                assert message["sha256"] == hashlib.sha256(data).hexdigest()
            assert await page.evaluate("client.neighbours.length") >= 1


@pytest.fixture
async def plain_page(playwright, open_page):
    """plain_page(SERVER) is a page that came over http, from a host that the browser knows no better than any other."""
    path = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    flags = [*CHROMIUM_FLAGS, "--host-resolver-rules=MAP signal.example 127.0.0.1"]
    browser = await playwright.chromium.launch(executable_path=path, args=flags)
    yield lambda server: open_page("chromium", server.replace("127.0.0.1", "signal.example"), browser)
    await browser.close()


async def test_a_page_over_plain_http_is_told_what_to_do(peer_tree, serve, plain_page, tmp_path):
    with serve(k=1, k1=2) as server:
        command = ["broadcast", "-", "--raw", "--server", server, "--identity", tmp_path / "identity", "--linger", 5, "--json"]
        with running(peer_tree, *command, stdin=subprocess.PIPE) as source:
            told = await in_thread(source.event, "link")
            page = await plain_page(server)
            assert await page.evaluate("isSecureContext") is False
            for refusal in [[told["tree"], {}], [None, {"identity": True}]]:
                code, message = await page.evaluate(REFUSAL, refusal)
                assert code == "no-crypto"
                assert "https" in message and "verify" in message
            # Whoever accepts what nobody has checked gets it, and passes it on to nobody.
            await page.evaluate(VIEWER, [told["tree"], {"verify": "when-possible"}])
            with running(peer_tree, "watch", told["link"], "-o", tmp_path / "x", "--json") as native:
                await in_thread(native.event, "connect")
                source.process.stdin.write(TEXT.encode())
                source.process.stdin.close()
                assert await in_thread(native.wait, 20) == 0
            await page.evaluate("() => until(() => has('end'))")
            assert await page.evaluate("async () => await new Blob(parts).text()") == TEXT
            assert (tmp_path / "x").read_text() == TEXT
            assert "child" not in [neighbour["role"] for neighbour in await page.evaluate("client.neighbours")]


async def test_a_browser_without_the_algorithm_says_so(serve, open_page):
    with serve() as server:
        source = await open_page("chromium", server)
        tree, _ = await source.evaluate(SOURCE, ["built-in", {"identity": True}])
        page = await open_page("chromium", server)
        await page.evaluate("() => { crypto.subtle.generateKey = () => Promise.reject(new DOMException('', 'NotSupportedError')); }")
        for refusal in [[tree, {}], [None, {"identity": "talks", "verify": "when-possible"}]]:
            code, message = await page.evaluate(REFUSAL, refusal)
            assert code == "no-ed25519"
            assert "Chrome 137" in message
        await page.evaluate(VIEWER, [tree, {"verify": "when-possible"}])


async def test_options_that_do_not_go_together_are_named(serve, open_page):
    with serve() as server:
        page = await open_page("chromium", server)
        for options, name in [({"verify": "never"}, "verify"), ({"identity": True, "mode": "original"}, "mode")]:
            make = "(options) => { try { new PeerTreeClient(location.origin, options); } catch (error) { return error.message; } }"
            assert f"opts.{name}" in await page.evaluate(make, options)
        code, message = await page.evaluate(REFUSAL, ["s" + "a" * 31, {"mode": "original"}])
        assert code == "signed-tree" and "opts.verify" in message
        code, _ = await page.evaluate(REFUSAL, ["s" + "a" * 31, {}])
        assert code == "unknown-tree"
