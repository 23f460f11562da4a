"""Pages that know several servers: one that does not answer is followed by the next, and so is one that dies."""

import contextlib
import socket

import pytest
from cluster import Cluster, in_place
from conftest import in_thread
from processes import own_port
from waiting import until

BROWSERS = ["chromium", "firefox"]

# Sockets of the client's own, which say where they are.
SOCKETS = """async () => {
  const { SocketIOClient } = await import(`${location.origin}/peer-tree.js`);
  window.SocketIOClient = SocketIOClient;
  window.origin = ({ url }) => new URL(url).origin;
}"""


@pytest.fixture
def useless():
    """Addresses at which no server answers: one takes connections and says nothing, one refuses them, and to the port of the
    last no browser goes. Each is a host of its own, since Firefox opens one WebSocket to a host at a time."""
    with socket.create_server(("127.0.0.2", 0)) as silent, own_port() as dead:
        yield [f"http://127.0.0.2:{silent.getsockname()[1]}", f"http://127.0.0.3:{dead}", "http://127.0.0.4:1"]


@pytest.mark.parametrize("browser", BROWSERS)
async def test_a_page_passes_over_servers_that_do_not_answer(serve, open_page, useless, browser):
    with serve() as server:
        page = await open_page(browser, server)
        # With which they begin is drawn at random: all beginnings come up.
        await page.evaluate(
            """async (servers) => {
              const clients = Array.from({ length: 8 }, () => new PeerTreeClient(servers, { timeout: 60_000 }));
              await Promise.all(clients.map((client) => client.create()));
            }""",
            [*useless, server],
        )


@pytest.mark.parametrize("browser", BROWSERS)
async def test_a_page_that_no_server_lets_in_is_told_what_came_of_each(serve, open_page, useless, browser):
    with serve() as server:
        page = await open_page(browser, server)
        await page.evaluate(SOCKETS)
        # With one silent server alone, and a shorter time for it, that is earlier.
        hasty, told = await page.evaluate(
            """async (servers) => {
              const told = [];
              const tell = ({ message }) => told.push(message);
              new SocketIOClient(servers).once('connect_error', tell);
              new SocketIOClient(servers[0], { handshakeTimeout: 100 }).once('connect_error', tell);
              await until(() => told.length === 2);
              return told;
            }""",
            useless,
        )
        assert hasty == "The server does not answer."
        silent, dead, barred = (address.removeprefix("http://") for address in useless)
        assert f"{silent}: The server does not answer." in told
        assert f"{dead}: The server cannot be reached." in told
        assert f"{barred}: " in told
        assert await page.evaluate("(() => { try { new SocketIOClient([]); } catch (error) { return error.message; } })()")


@pytest.mark.parametrize("browser", BROWSERS)
async def test_sockets_of_a_server_that_dies_come_back_at_another(serve, open_page, browser):
    with serve() as server, contextlib.ExitStack() as lost:
        other = lost.enter_context(serve())
        page = await open_page(browser, server)
        await page.evaluate(SOCKETS)
        await page.evaluate(
            """async (servers) => {
              window.sockets = Array.from({ length: 16 }, () => new SocketIOClient(servers));
              await until(() => sockets.every(({ connected }) => connected));
            }""",
            [server, other],
        )
        lost.close()
        await page.evaluate(
            "(server) => until(() => sockets.every((socket) => socket.connected && origin(socket) === server))", server
        )


# Makes a page the source of a tree, or a viewer of the one named, through any of the servers.
ENTER = """async ([servers, tree]) => {
  window.socket = new SocketIOClient(servers);
  const client = makeClient(socket);
  if (!tree) return client.create();
  collect(client);
  await client.connect(tree);
  await until(() => has('connect'));
  return tree;
}"""

# 300 kB/s, until `end`.
WRITE = """() => {
  const timer = setInterval(() => {
    const piece = crypto.getRandomValues(new Uint8Array(30_000));
    client.write(piece);
    parts.push(piece);
    total += piece.length;
  }, 100);
  window.end = () => {
    clearInterval(timer);
    client.end();
    return digest();
  };
}"""


async def test_nodes_of_a_cluster_are_killed_and_every_page_has_every_byte(peer_tree, open_page, tmp_path):
    with contextlib.ExitStack() as stack:
        cluster = await in_thread(Cluster, peer_tree, tmp_path, stack)
        rest = list(cluster.nodes)
        servers = [node.address for node in rest]
        pages, tree = [], None
        for server, browser in zip([*servers, servers[0]], ["chromium", "firefox", "chromium", "firefox"]):
            page = await open_page(browser, server)
            await page.evaluate(SOCKETS)
            tree = await page.evaluate(ENTER, [servers, tree])
            pages.append(page)
        source, *viewers = pages

        async def are_in_place():
            node = rest[-1]
            await in_thread(until, lambda: in_place(node, tree, len(viewers)), lambda: (node.shape(tree), node.log[-3000:]))

        async def dies(victim):
            victim.kill()
            rest.remove(victim)
            await in_thread(cluster.settle, rest)
            await are_in_place()

        await are_in_place()
        await source.evaluate(WRITE)
        at = await source.evaluate("origin(socket)")
        await dies(next(node for node in rest if node.address == at))
        await dies(await in_thread(cluster.owner))
        assert {await page.evaluate("origin(socket)") for page in pages} == {rest[0].address}
        written = await source.evaluate("end()")
        for page in viewers:
            assert await page.evaluate("async () => { await until(() => has('end'), 60000); return digest(); }") == written
            assert await page.evaluate("[...errors, ...events.filter(([name]) => name === 'gap')]") == []
