"""The player as an element of somebody else's page."""

import pytest
from processes import own_port
from scene import SOURCE

BROWSERS = ["chromium", "firefox"]

PLAYER = """
const seen = [];
async function addPlayer(server, attributes) {
  const { PeerTreePlayer } = await import(`${server}/peer-tree-player.js`);
  const player = new PeerTreePlayer();
  for (const name of ['statechange', 'contentchange', 'catalog', 'clientchange', 'figures']) {
    player.addEventListener(name, ({ detail }) => seen.push([name, detail]));
  }
  for (const [name, value] of Object.entries({ server, ...attributes })) player.setAttribute(name, value);
  document.body.append(player);
  window.player = player;
}
window.seen = seen;
window.addPlayer = addPlayer;
window.textOf = (id) => player.shadowRoot.getElementById(id).innerText;
"""


async def watch(page, server, **attributes):
    await page.add_script_tag(content=PLAYER)
    await page.evaluate("([server, attributes]) => addPlayer(server, attributes)", [server, attributes])


async def plays(page):
    await page.wait_for_function("() => player.content === 'media' && player.video.currentTime > 0.3", timeout=30_000)


@pytest.mark.parametrize("browser", BROWSERS)
async def test_a_page_of_another_origin_has_a_player_that_shows_lag_and_place(serve, open_page, browser):
    with serve(k=1, k1=1) as server, serve() as host:
        source = await open_page("chromium", server)
        tree = await source.evaluate(SOURCE, {})
        page, below = await open_page(browser, host), await open_page("chromium", host)
        await watch(page, server, tree=tree)
        await plays(page)
        await watch(below, server, tree=tree)
        await plays(below)
        await page.wait_for_function("() => /^Live, .* behind$/.test(textOf('badge'))")
        await page.wait_for_function("() => textOf('level') === 'Level 1, feeding 1 viewer'")
        await below.wait_for_function("() => textOf('level') === 'Level 2'")
        assert await page.evaluate("player.muted && player.state") == "connected"
        assert await page.evaluate("seen.find(([name]) => name === 'catalog')[1].title") == "test"
        names = await page.evaluate("[...new Set(seen.map(([name]) => name))].sort()")
        assert names == ["catalog", "clientchange", "contentchange", "figures", "statechange"]
        figures = await page.evaluate("seen.filter(([name, detail]) => name === 'figures' && detail).at(-1)[1]")
        assert (figures["depth"], figures["children"], figures["isLive"], figures["width"]) == (1, 1, True, 640)
        # The page's style sheet reaches the parts.
        await page.add_style_tag(content="peer-tree-player::part(badge) { background: rgb(1, 2, 3) }")
        badge = "getComputedStyle(player.shadowRoot.getElementById('badge')).backgroundColor"
        assert await page.evaluate(badge) == "rgb(1, 2, 3)"
        assert await page.evaluate("errors") == []


async def test_without_upload_a_viewer_is_a_leaf(serve, open_page):
    with serve(k=4, k1=2) as server:
        source = await open_page("chromium", server)
        tree = await source.evaluate(SOURCE, {})
        leaf, others = await open_page("chromium", server), []
        await watch(leaf, server, tree=tree, upload="off")
        await plays(leaf)
        for _ in range(3):
            others.append(await open_page("chromium", server))
            await watch(others[-1], server, tree=tree)
            await plays(others[-1])
        feeding = "async () => (await player.client.statistics()).children"
        children = [await page.evaluate(feeding) for page in [leaf, *others]]
        assert children[0] == 0 and sum(children) == 2, children
        parents = [await page.evaluate("player.client.neighbours.find(({ role }) => role === 'parent').id") for page in others]
        assert await leaf.evaluate("player.client.id") not in parents


async def test_a_player_follows_its_attributes_and_lets_go_when_it_is_taken_away(serve, open_page):
    with serve() as server:
        sources = [await open_page("chromium", server) for _ in range(2)]
        trees = [await source.evaluate(SOURCE, {}) for source in sources]
        page = await open_page("chromium", server)
        await watch(page, server)
        assert await page.evaluate("player.state") == "idle"
        assert "was given no tree" in await page.evaluate("textOf('stateText')")
        await page.evaluate("(tree) => { player.tree = tree; }", trees[0])
        await plays(page)
        await sources[0].evaluate("() => until(() => client.neighbours.length === 1)")
        await page.evaluate("(tree) => { player.tree = tree; }", trees[1])
        await sources[0].evaluate("() => until(() => client.neighbours.length === 0)")
        await plays(page)
        await sources[1].evaluate("() => until(() => client.neighbours.length === 1)")
        await page.evaluate("() => player.remove()")
        await sources[1].evaluate("() => until(() => client.neighbours.length === 0)")
        assert await page.evaluate("player.client") is None
        await page.evaluate("() => document.body.append(player)")
        await plays(page)


async def test_a_player_knows_several_servers_of_which_one_may_be_away(serve, open_page):
    with serve() as server, own_port() as dead:
        page = await open_page("chromium", server)
        await watch(page, server)
        await page.evaluate(
            "([server, tree]) => { player.server = server; player.tree = tree; }", [f"http://127.0.0.1:{dead}, {server}", "nothing"]
        )
        # The server has answered that it knows no such tree.
        await page.wait_for_function("() => player.state === 'unknown'")


@pytest.mark.parametrize(
    ("lacking", "sentence"),
    [("RTCPeerConnection", "cannot take part in the tree"), ("VideoDecoder", "This browser has no WebCodecs.")],
)
async def test_what_is_missing_is_said(serve, open_page, lacking, sentence):
    with serve() as server:
        source = await open_page("chromium", server)
        tree = await source.evaluate(SOURCE, {})
        page = await open_page("chromium", server)
        await page.evaluate("(name) => { delete window[name]; }", lacking)
        await watch(page, server, tree=tree, upload="off")
        await page.wait_for_function("(text) => textOf('stateText').includes(text)", arg=sentence)
        assert await page.evaluate("textOf('stateTitle')") == "This does not work here"
        assert "pass" not in await page.evaluate("textOf('stateText')")


async def test_a_place_without_the_wasm_and_a_tree_that_is_not_there_are_said(serve, open_page):
    with serve() as server:
        page = await open_page("chromium", server)
        await watch(page, server, tree="nothing", wasm="/nothing.wasm")
        await page.wait_for_function("() => textOf('stateText').includes('nothing.wasm answers 404')")
        await page.evaluate("() => { player.wasm = null; }")
        await page.wait_for_function("() => player.state === 'unknown' && textOf('stateTitle') === 'No broadcast here'")
