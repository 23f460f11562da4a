"""A cluster behind haproxy, with the configuration of `Deploy`: clients know one address, and any node may die."""

import contextlib
import http.client
import json
import queue
import signal
import socket
import urllib.parse
from concurrent.futures import ThreadPoolExecutor

import pytest
import socketio
import websocket
from cluster import Cluster
from haproxy import OWN, HAProxy, clients, host
from test_cluster import Broadcast
from test_legacy import Network, noise
from waiting import until

# Each starts a dozen processes, and waits for leases to end.
pytestmark = pytest.mark.timeout(300)

# Seconds in which something comes that has to come, on a busy machine, too.
WAIT = 30
COOKIE = "peer-tree-node"
POLLING = "/socket.io/?EIO=4&transport=polling"
WEBSOCKET = "/socket.io/?EIO=4&transport=websocket"


@pytest.fixture
def peer_tree(program):
    return program("peer-tree")


def address(server):
    """The same as the two that they are."""
    parts = urllib.parse.urlsplit(server.address)
    return parts.hostname, parts.port


@contextlib.contextmanager
def cluster_behind(peer_tree, root, folder, *options):
    with contextlib.ExitStack() as stack:
        cluster = Cluster(peer_tree, folder, stack, options=["--trusted-proxies", OWN, *options])
        yield stack, cluster, HAProxy(root / "Deploy" / "haproxy.cfg", cluster, stack)


@pytest.fixture(scope="module")
def started(program, root, tmp_path_factory):
    with cluster_behind(program("peer-tree"), root, tmp_path_factory.mktemp("shared")) as (_, cluster, haproxy):
        yield cluster, haproxy


@pytest.fixture
def shared(started):
    """A cluster behind haproxy that nobody is at, and of which nobody dies."""
    cluster, haproxy = started
    until(lambda: not any(clients(node) for node in cluster.nodes), lambda: [node.status() for node in cluster.nodes])
    return cluster, haproxy


def are_spread(nodes):
    """Whether sockets are at several nodes; which is whose is haproxy's own affair."""
    return sum(clients(node) > 0 for node in nodes) > 1


class Client:
    """python-socketio, which asks for a tree that there is not, and is told so."""

    def __init__(self, stack, haproxy, transports, **options):
        self.client = socketio.Client(**options)
        self.connected, self.answers, self.lost = queue.Queue(), queue.Queue(), []
        self.client.on("connect", lambda: self.connected.put(True))
        self.client.on("simple-signal[discover]", self.answers.put)
        self.client.on("disconnect", self.lost.append)
        self.client.connect(haproxy.address, transports=transports, wait_timeout=WAIT)
        stack.callback(self.client.disconnect)
        self.connected.get(timeout=WAIT)

    def ask(self):
        self.client.emit("simple-signal[discover]", {"treeID": "none"})
        assert "does not exist" in self.answers.get(timeout=WAIT)["discoveryData"]["err"]

    def comes_back(self):
        """Waits until it has lost its session and has another one."""
        while True:
            self.connected.get(timeout=WAIT)
            # It gives up what takes it longer than a second when it comes back, and comes again: no option of its own.
            with contextlib.suppress(socketio.exceptions.BadNamespaceError):
                return self.ask()

    @property
    def node(self):
        """The name of the node that haproxy keeps it on; None where it keeps it on none."""
        http = self.client.eio.http
        return http and http.cookies.get(COOKIE)


def test_clients_that_know_haproxy_alone_come_back_through_it_when_their_node_is_killed(peer_tree, root, tmp_path):
    with cluster_behind(peer_tree, root, tmp_path) as (stack, cluster, haproxy):
        broadcast = Broadcast(peer_tree, tmp_path, stack, haproxy)
        assert are_spread(cluster.nodes)
        polling = Client(stack, haproxy, ["polling"], reconnection_delay=0.1, reconnection_delay_max=0.5)
        polling.ask()
        for _ in range(2):
            number = int(polling.node.removeprefix("node"))
            victim = cluster.nodes[number - 1]
            victim.kill()
            polling.comes_back()
            rest = [node for node in cluster.nodes if node is not victim]
            cluster.settle(rest)
            # Source and viewers are whole again without the dead node.
            broadcast.is_whole(haproxy)
            until(lambda: haproxy.has_left_out(number), lambda: haproxy.log)
            victim.start()
            cluster.settle()
            until(lambda: not haproxy.has_left_out(number), lambda: haproxy.log)
        late = [broadcast.late_viewer(haproxy)]
        broadcast.finish(late)


def test_original_clients_by_polling_and_websocket_get_a_stream_through_haproxy(shared, peer_tree, tmp_path):
    _, haproxy = shared
    with contextlib.ExitStack() as stack:
        network = Network(stack, peer_tree, tmp_path)
        # By a name: their HTTP client keeps no cookies of mere addresses.
        network.url = haproxy.address.replace(OWN, "localhost")
        source, tree = network.source("--k1", 2)
        transports = {"polling": "polling", "also polling": "polling", "websocket": "websocket", "native": None}
        originals = {}
        for name, transport in transports.items():
            original = transport and network.legacy_viewer(tree, name, "--transport", transport)
            viewer = original or network.viewer(tree, name)
            if viewer.parent in originals:
                # One of the original's kind sends to the children it has by then, and keeps nothing for others.
                assert originals[viewer.parent].event("downstream")["id"] == viewer.id
            if original:
                originals[viewer.id] = viewer
        sent = noise(100_000, 18)
        source.process.stdin.write(sent)
        source.process.stdin.flush()
        for name in transports:
            until(lambda: network.received(name) == sent, lambda: f"{name}: {len(network.received(name))} bytes")
        # A session that polls and is not closed is missed only when its time is over.
        for original in originals.values():
            original.signal(signal.SIGTERM)
            assert original.wait() == 0, original.errors


@pytest.mark.parametrize("transports", [["polling"], ["polling", "websocket"], ["websocket"]], ids="-".join)
def test_a_session_stays_at_its_node_and_sessions_are_spread(shared, transports):
    cluster, haproxy = shared
    with contextlib.ExitStack() as stack:
        connected = [Client(stack, haproxy, transports, reconnection=False) for _ in range(6)]
        assert sum(clients(node) for node in cluster.nodes) == 6 and are_spread(cluster.nodes)
        before = [(client.node, client.client.get_sid()) for client in connected]
        assert all((node is not None) == ("polling" in transports) for node, _ in before)
        # Each question is a POST, and its answer a poll.
        for _ in range(20):
            for client in connected:
                client.ask()
        assert [(client.node, client.client.get_sid()) for client in connected] == before
        assert {client.client.transport() for client in connected} == {transports[-1]}
        assert not any(client.lost for client in connected)


class Browser:
    """Requests from an address of its own, with the cookie it was given."""

    def __init__(self, haproxy, address="127.0.0.2", cookie=None):
        self.haproxy, self.address, self.cookie = haproxy, address, cookie

    def get(self, path, **headers):
        """Status and body of an answer, on a connection of its own."""
        return self._ask("GET", path, None, headers)

    def post(self, path, body):
        return self._ask("POST", path, body, {})

    def _ask(self, method, path, body, headers):
        connection = http.client.HTTPConnection(host(self.haproxy), timeout=WAIT, source_address=(self.address, 0))
        if self.cookie:
            headers["Cookie"] = f"{COOKIE}={self.cookie}"
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        if given := answer.getheader("Set-Cookie"):
            self.cookie = given.split(";")[0].removeprefix(f"{COOKIE}=")
        return answer.status, answer.read()

    def open(self, **headers):
        """The status of the polling request that begins a session."""
        return self.get(POLLING, **headers)[0]

    def websocket(self, stack):
        """The status of a WebSocket that begins a session, and goes on until the test ends."""
        try:
            connection = websocket.create_connection(
                f"ws://{host(self.haproxy)}{WEBSOCKET}",
                cookie=self.cookie and f"{COOKIE}={self.cookie}",
                timeout=WAIT,
                socket=socket.create_connection(address(self.haproxy), WAIT, source_address=(self.address, 0)),
            )
        except websocket.WebSocketBadStatusException as refusal:
            return refusal.status_code
        stack.callback(connection.shutdown)
        connection.send("40")
        until(lambda: connection.recv().startswith("40"), "it is not let in")
        return connection.status


def test_a_browser_keeps_its_node_for_polling_and_its_websockets_go_anywhere(shared):
    cluster, haproxy = shared
    browser = Browser(haproxy)
    # Pages come from whichever node, and ask for no cookie.
    assert browser.get("/status")[0] == 200 and browser.cookie is None
    assert browser.open() == 200
    node = browser.cookie
    assert node in ("node1", "node2", "node3")
    # Another page of it: its cookie is the same, or the first page would lose its session.
    assert browser.open() == 200 and browser.cookie == node
    with contextlib.ExitStack() as stack:
        assert [browser.websocket(stack) for _ in range(6)] == [101] * 6
        assert browser.cookie == node and are_spread(cluster.nodes)


def test_a_session_goes_on_at_a_node_that_gets_no_new_ones(peer_tree, root, tmp_path):
    with cluster_behind(peer_tree, root, tmp_path) as (_, cluster, haproxy):
        browser = Browser(haproxy)
        status, opened = browser.get(POLLING)
        assert status == 200
        session = f"{POLLING}&sid={json.loads(opened[1:])['sid']}"
        # Its answer comes with the next poll.
        assert browser.post(session, "40")[0] == 200
        number = int(browser.cookie.removeprefix("node"))
        node = cluster.nodes[number - 1]
        # A node that is not ready because it stops is too quick to watch. One that stands still is not ready for longer.
        node.signal(signal.SIGSTOP)
        until(lambda: haproxy.has_left_out(number), lambda: haproxy.log)
        new = Browser(haproxy, cookie=browser.cookie)
        assert new.open() == 200 and new.cookie != browser.cookie
        with ThreadPoolExecutor() as pool:
            # Any other node would answer at once that it knows no such session.
            answer = pool.submit(browser.get, session)
            assert new.open() == 200 and not answer.done()
            node.signal(signal.SIGCONT)
            status, joined = answer.result()
            assert status == 200 and joined.startswith(b"40")


def test_nodes_count_by_the_addresses_of_clients_and_not_by_haproxy_s(peer_tree, root, tmp_path):
    with cluster_behind(peer_tree, root, tmp_path, "--max-connections-per-address", 1) as (stack, _, haproxy):
        first = Browser(haproxy, "127.0.0.2")
        assert first.open() == 200
        # The cookie has all of them at one node.
        assert [Browser(haproxy, f"127.0.0.{last}", first.cookie).open() for last in (3, 4, 5)] == [200] * 3
        assert first.open() == 503
        # What a client says of itself is not believed.
        assert first.open(**{"X-Forwarded-For": "198.51.100.1"}) == 503
        # There are six at three nodes, each of which takes one of an address.
        assert [Browser(haproxy, f"127.0.1.{last}").websocket(stack) for last in range(1, 7)] == [101] * 6
        assert 503 in [Browser(haproxy, "127.0.2.1").websocket(stack) for _ in range(4)]
