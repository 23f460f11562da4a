"""A page keeps its place: over restarts of the server, with tokens that are renewed, on new paths, and after a sleep."""

import contextlib
import signal

import pytest
from processes import own_port
from scene import SOURCE, longest_pause, show
from visitors import site

SCENE = {"width": 320, "height": 176, "framerate": 15, "video": {"bitrate": 250_000}}
CLOCK = "performance.timeOrigin + performance.now()"
STATISTICS = "async () => client.statistics()"


class Server:
    """A server on one port, which can die and come back with its state key."""

    def __init__(self, peer_tree, folder, port, *settings):
        self.start_site = lambda: site(peer_tree, "--state-key", folder / "key", *settings, port=port)
        self.stack = contextlib.ExitStack()
        self.start()

    def start(self):
        self.address, self.process = self.stack.enter_context(self.start_site())

    def kill(self):
        self.process.signal(signal.SIGKILL)
        self.process.wait(10)


@pytest.fixture
def server(peer_tree, tmp_path):
    """server(SETTING, …) starts a server that is ended with the test."""
    with contextlib.ExitStack() as stack:

        def start(*settings):
            port = stack.enter_context(own_port())
            made = Server(peer_tree, tmp_path, port, *settings)
            stack.enter_context(made.stack)
            return made

        yield start


# Whom a page linked with, and what the server did.
WATCHED = """() => {
  window.linked = [];
  for (const name of ['upstreamPeer', 'downstreamPeer']) client.on(name, ({ id }) => linked.push([name, id]));
  for (const name of ['serverLost', 'serverBack']) client.on(name, () => events.push([name]));
}"""


async def two_levels(server, open_page, middle="firefox"):
    """A source, a viewer in the browser named and one in Chromium, each below the one before."""
    source = await open_page("chromium", server.address)
    tree = await source.evaluate(SOURCE, SCENE)
    pages = [source]
    for name in [middle, "chromium"]:
        page = await open_page(name, server.address)
        await show(page, tree, width=320)
        pages.append(page)
    await source.evaluate("() => until(() => client.tree?.viewers === 2)")
    # A page hears of its child a moment after the child has its first picture.
    for page, count in zip(pages, [1, 2, 1]):
        await page.evaluate("(count) => until(() => client.neighbours.length === count)", count)
        await page.evaluate(WATCHED)
    return pages


async def goes_on(page):
    """Waits for pictures that are drawn from now on."""
    await page.evaluate(f"(now) => until(() => shown.some(([, at]) => at > now + 500))", await page.evaluate(CLOCK))


async def test_nobody_reconnects_when_the_server_is_started_again_and_places_are_right(server, open_page, report):
    host = server("--k", 1, "--k1", 1)
    source, middle, leaf = pages = await two_levels(host, open_page)
    begin = await leaf.evaluate(CLOCK)
    neighbours = [await page.evaluate("client.neighbours") for page in pages]
    for _ in range(2):
        host.kill()
        for page in pages:
            await page.evaluate("() => until(() => has('serverLost'))")
        await goes_on(leaf)
        host.start()
        for page in pages:
            await page.evaluate("() => until(() => has('serverBack'))")
            await page.evaluate("() => { events = events.filter(([name]) => !name.startsWith('server')); }")
        # What the server says of the tree is what it was: the second below the first, by their ids of now.
        ids = [await page.evaluate("() => until(() => client.tree?.peers?.length === 2) && client.id") for page in pages]
        await source.evaluate(
            """([middle, leaf]) => until(() => {
              const places = Object.fromEntries(client.tree.peers.map(({ id, parent, depth }) => [id, [parent, depth]]));
              return client.tree.viewers === 2 && places[leaf]?.[0] === middle && places[leaf][1] === 2 && places[middle][1] === 1;
            })""",
            ids[1:],
        )
    await goes_on(leaf)
    for depth, page in enumerate(pages):
        await page.evaluate("(depth) => until(async () => (await client.statistics()).depth === depth)", depth)
        assert (await page.evaluate(STATISTICS))["parentsLost"] == 0
        assert await page.evaluate("linked") == []
        assert await page.evaluate("client.neighbours") == neighbours[depth]
        assert await page.evaluate("errors") == []
    pause = longest_pause(await leaf.evaluate("shown"), begin)
    report(f"two restarts of the server above two levels: longest time without a new picture {pause:.0f} ms")
    assert pause < 2000


# A client on a socket that notes what passes.
NOTING_VIEWER = """async (tree) => {
  const socket = io(location.origin, { transports: ['websocket'] });
  window.socket = socket;
  window.asked = [];
  window.told = [];
  const emit = socket.emit.bind(socket);
  socket.emit = (name, payload) => {
    if (name === 'simple-signal[discover]') asked.push(payload.peerTree.resume);
    return emit(name, payload);
  };
  socket.on('peer-tree[resume]', ({ resume }) => told.push(resume));
  socket.on('simple-signal[discover]', ({ discoveryData }) => told.push(discoveryData.peerTree.resume));
  window.client = new PeerTreeClient(socket);
  client.on('error', (error) => errors.push(error.message));
  await client.connect(tree);
}"""


async def test_a_token_is_renewed_and_the_newest_is_used(server, open_page):
    host = server()
    source, viewer = await open_page("chromium", host.address), await open_page("firefox", host.address)
    tree = await source.evaluate("() => makeClient('built-in').create()")
    await viewer.evaluate(NOTING_VIEWER, tree)
    tokens = []
    for _ in range(3):
        # Tokens tell the second in which they end, and a server that was started again makes others than before.
        await viewer.evaluate("() => settled(1100)")
        host.kill()
        host.start()
        token, newest = await viewer.evaluate(
            """async () => {
              const newest = told.at(-1);
              await until(() => asked.length > 1);
              await until(() => told.at(-1) !== newest);
              return [asked.splice(1)[0], newest];
            }"""
        )
        assert token == newest
        tokens.append(token)
    assert len(set(tokens)) == 3
    # The server takes it for the viewer that it knows.
    await source.evaluate("() => settled(1500)")
    assert await source.evaluate("client.tree.viewers") == 1
    assert (await viewer.evaluate(STATISTICS))["parentsLost"] == 0
    assert await viewer.evaluate("errors") == []


@pytest.mark.parametrize("name", ["chromium", "firefox"])
async def test_paths_are_renewed_and_the_socket_is_opened_anew_while_pictures_go_on(server, open_page, name):
    source, middle, leaf = pages = await two_levels(server("--k", 1, "--k1", 1), open_page, name)
    begin = await leaf.evaluate(CLOCK)
    # The page knows of better paths: the middle one is asked by its child, and asks its parent.
    await middle.evaluate("client.restartICE()")
    for page, count in [(source, 1), (middle, 2), (leaf, 1)]:
        await page.evaluate("(count) => until(async () => (await client.statistics()).iceRestarts >= count)", count)
    # A browser that is back on the network has other addresses; the old socket is of no use.
    await leaf.evaluate("() => { events = []; dispatchEvent(new Event('online')); }")
    await leaf.evaluate("() => until(() => has('serverLost') && has('serverBack'))")
    await goes_on(leaf)
    await source.evaluate("() => until(() => client.tree.viewers === 2)")
    for page in pages:
        # Firefox leaves a path that still works at once, where Chromium goes on sending on it, at times for the 2.5 s
        # after which it takes a path for dead: the link is silent, and another takes its place.
        if name == "chromium":
            assert (await page.evaluate(STATISTICS))["parentsLost"] == 0
            assert await page.evaluate("linked") == []
        assert await page.evaluate("errors") == []
    assert longest_pause(await leaf.evaluate("shown"), begin) < 2000


async def test_a_tab_that_slept_shows_pictures_again_and_those_below_it_did_not_wait(server, open_page, report):
    host = server("--k", 1, "--k1", 2)
    source = await open_page("chromium", host.address)
    tree = await source.evaluate(SOURCE, SCENE)
    pages = []
    for name in ["chromium", "chromium", "firefox"]:
        pages.append(await open_page(name, host.address))
        await show(pages[-1], tree, width=320)
    leaf = pages[2]
    parent = await leaf.evaluate("client.neighbours[0].id")
    [sleeper] = [page for page in pages[:2] if await page.evaluate("client.id") == parent]
    session = await sleeper.context.new_cdp_session(sleeper)
    begin = await leaf.evaluate(CLOCK)
    # A page that the debugger holds runs nothing, like one that the browser has frozen; those in front are never frozen.
    # It is long enough for everybody to give the tab up.
    await session.send("Debugger.enable")
    await session.send("Debugger.pause")
    await leaf.evaluate("(now) => until(() => shown.some(([, at]) => at > now + 8000))", begin)
    pause = longest_pause(await leaf.evaluate("shown"), begin)
    await session.send("Debugger.resume")
    await session.send("Debugger.disable")
    woken = await sleeper.evaluate(CLOCK)
    await sleeper.evaluate("(now) => until(() => shown.some(([, at]) => at > now + 1000))", woken)
    await source.evaluate("() => until(() => client.tree.viewers === 3)")
    shown = await sleeper.evaluate("shown")
    assert longest_pause(shown, begin) > 5000, "the tab did not sleep"
    first = min(at for _, at in shown if at > woken + 1)
    report(f"below a tab that fell asleep: longest time without a new picture {pause:.0f} ms; after its sleep {first - woken:.0f} ms")
    assert pause < 3000
    for page in pages:
        assert await page.evaluate("events.filter(([name]) => ['disconnect', 'end'].includes(name))") == []
        assert await page.evaluate("errors") == []
