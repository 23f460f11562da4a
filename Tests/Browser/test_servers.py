"""Pages that know several servers: one that does not answer is followed by the next, and so is one that dies."""

import contextlib
import socket

import pytest
from cluster import Cluster, in_place
from conftest import ROOT, in_thread
from haproxy import OWN, HAProxy, clients
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


class Pages:
    """A source and viewers, each a page that knows some servers, while a stream flows."""

    @classmethod
    async def enter(cls, open_page, browsers):
        """BROWSERS are pairs: a page's browser, and the addresses that it knows, the first of which it came from."""
        pages, tree = [], None
        for browser, servers in browsers:
            page = await open_page(browser, servers[0])
            await page.evaluate(SOCKETS)
            tree = await page.evaluate(ENTER, [servers, tree])
            pages.append(page)
        self = cls()
        self.all, self.tree = pages, tree
        self.source, *self.viewers = pages
        return self

    async def begin(self, cluster):
        self.cluster, self.rest = cluster, list(cluster.nodes)
        await self.are_in_place()
        await self.source.evaluate(WRITE)

    async def are_in_place(self):
        node, count = self.rest[-1], len(self.viewers)
        said = lambda: (node.shape(self.tree), node.log[-3000:])  # noqa: E731
        await in_thread(until, lambda: in_place(node, self.tree, count), said)

    async def dies(self, victim):
        """A node is killed; waits until all are in place without it."""
        victim.kill()
        self.rest.remove(victim)
        await in_thread(self.cluster.settle, self.rest)
        await self.are_in_place()

    async def end(self):
        """Every viewer has every byte, without a gap."""
        written = await self.source.evaluate("end()")
        for page in self.viewers:
            assert await page.evaluate("async () => { await until(() => has('end'), 60000); return digest(); }") == written
            assert await page.evaluate("[...errors, ...events.filter(([name]) => name === 'gap')]") == []


async def test_nodes_of_a_cluster_are_killed_and_every_page_has_every_byte(peer_tree, open_page, tmp_path):
    with contextlib.ExitStack() as stack:
        cluster = await in_thread(Cluster, peer_tree, tmp_path, stack)
        servers = [node.address for node in cluster.nodes]
        # Each came from another node, and knows the others besides.
        known = [[server, *(other for other in servers if other != server)] for server in [*servers, servers[0]]]
        pages = await Pages.enter(open_page, zip(["chromium", "firefox", "chromium", "firefox"], known))
        await pages.begin(cluster)
        at = await pages.source.evaluate("origin(socket)")
        await pages.dies(next(node for node in pages.rest if node.address == at))
        await pages.dies(await in_thread(cluster.owner))
        assert {await page.evaluate("origin(socket)") for page in pages.all} == {pages.rest[0].address}
        await pages.end()


@pytest.mark.parametrize("first, second", [("chromium", "firefox"), ("firefox", "chromium")])
async def test_pages_that_know_haproxy_alone_have_every_byte_when_nodes_behind_it_are_killed(
    peer_tree, open_page, tmp_path, first, second
):
    with contextlib.ExitStack() as stack:
        cluster = await in_thread(lambda: Cluster(peer_tree, tmp_path, stack, options=["--trusted-proxies", OWN]))
        haproxy = await in_thread(HAProxy, ROOT / "Deploy" / "haproxy.cfg", cluster, stack)
        pages = await Pages.enter(open_page, zip([first, second, first, second], [[haproxy.address]] * 4))
        await pages.begin(cluster)
        # Of four sockets at three nodes one has two at least.
        crowded = max(cluster.nodes, key=clients)
        await pages.dies(crowded)
        await pages.dies(await in_thread(cluster.owner))
        await pages.end()
