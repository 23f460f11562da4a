"""Pages that know several servers: one that does not answer is followed by the next, and so is one that dies."""

import contextlib
import socket

import pytest
from processes import own_port

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
