"""Several servers as one: whichever of them dies, every viewer of every one of them has every byte."""

import contextlib
import json
import os
import signal
import subprocess
import time

import pytest
from cluster import Cluster, in_place
from engine import Endpoint
from processes import run, running
from test_legacy import Network
from test_limits import Client
from test_restart import Stream
from waiting import until

VIEWERS = 6

# Each starts a dozen processes, and waits for leases to end.
pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def peer_tree(program):
    return program("peer-tree")


class Broadcast:
    """A source at the first node and viewers at all of them, while a stream flows."""

    def __init__(self, peer_tree, folder, stack, cluster, count=VIEWERS, knows_all=False, enter=()):
        """Each client knows its own node first, and the others only if it KNOWS_ALL. ENTER begins their command lines."""
        self.others = [node.address for node in cluster.nodes[1:]] if knows_all else []
        self.command = [*enter, peer_tree]
        self.folder, self.stack, self.cluster = folder, stack, cluster
        self.stream = Stream()
        self.source = stack.enter_context(
            running(
                *self.command, "broadcast", "-", "--server", ",".join([cluster.nodes[0].address, *self.others]), "--k1", 2, "--json", "--viewers",
                count, stdin=subprocess.PIPE,
            )
        )  # fmt: skip
        self.tree = self.source.event("link")["tree"]
        self.viewers = [self.watch(cluster.nodes[number % len(cluster.nodes)]) for number in range(count)]
        for viewer, _ in self.viewers:
            viewer.event("connect")
        self.is_whole(cluster.nodes[0], count)
        self.stream.feed(self.source.process.stdin)

    @property
    def clients(self):
        return [self.source, *(viewer for viewer, _ in self.viewers)]

    def watch(self, node):
        output = self.folder / f"out{time.monotonic_ns()}"
        link = f"{node.address}/watch/{self.tree}"
        others = ["--server", ",".join(self.others)] if self.others else []
        return self.stack.enter_context(running(*self.command, "watch", link, *others, "-o", output, "--json")), output

    def is_whole(self, node, count=VIEWERS, timeout=60):
        """Waits until a node knows COUNT viewers and the source with their places."""
        return until(lambda: in_place(node, self.tree, count), lambda: (node.shape(self.tree), node.log[-3000:]), timeout)

    def late_viewer(self, node):
        """One that comes now has to get what is sent from now on."""
        late = self.watch(node)
        self.are_connected([late])
        return late

    def are_connected(self, viewers):
        for viewer, _ in viewers:
            try:
                viewer.event("connect")
            except AssertionError as error:
                states = [(node.name, node.shape(self.tree)) for node in self.cluster.nodes]
                raise AssertionError(f"{error}; {states}") from None

    def finish(self, late=()):
        """Everybody has all; who was late has the end."""
        self.stream.end()
        for viewer, output in self.viewers:
            assert viewer.wait(60) == 0, viewer.errors
            self.stream.check(output)
        for viewer, output in late:
            assert viewer.wait(60) == 0, viewer.errors
            self.stream.check_end(output)
        assert self.source.wait(60) == 0, self.source.errors


@contextlib.contextmanager
def broadcast_over(peer_tree, folder, *options):
    with contextlib.ExitStack() as stack:
        cluster = Cluster(peer_tree, folder, stack, options=options)
        yield cluster, Broadcast(peer_tree, folder, stack, cluster)


@pytest.mark.parametrize("who", ["owner", "gateway", "source's"])
def test_a_node_is_killed_and_comes_back_and_nobody_misses_a_byte(peer_tree, tmp_path, who):
    with broadcast_over(peer_tree, tmp_path) as (cluster, broadcast):
        owner = cluster.owner()
        others = [node for node in cluster.nodes if node is not owner]
        victim = {"owner": owner, "gateway": others[-1], "source's": cluster.nodes[0]}[who]
        victim.kill()
        rest = [node for node in cluster.nodes if node is not victim]
        cluster.settle(rest)
        # Viewers of the dead node go on with the parents that they have, and those that come now are placed: while the source
        # has its socket, or as soon as it has one again.
        late = [broadcast.watch(node) for node in rest]
        if victim is not cluster.nodes[0]:
            broadcast.are_connected(late)
        victim.start()
        if victim is cluster.nodes[0]:
            broadcast.are_connected(late)
        cluster.settle()
        broadcast.is_whole(victim, VIEWERS + len(late))
        broadcast.finish(late)


def test_clients_that_know_all_nodes_come_back_through_another_one_when_theirs_dies(peer_tree, tmp_path):
    with contextlib.ExitStack() as stack:
        cluster = Cluster(peer_tree, tmp_path, stack)
        broadcast = Broadcast(peer_tree, tmp_path, stack, cluster, knows_all=True)
        for victim in cluster.nodes[:2]:
            victim.kill()
            rest = [node for node in cluster.nodes if node.process.process.poll() is None]
            cluster.settle(rest)
            # Source and viewers are whole again without the dead node.
            broadcast.is_whole(rest[-1])
        late = [broadcast.late_viewer(cluster.nodes[2])]
        broadcast.finish(late)


def test_an_owner_that_stood_still_lets_go_of_what_others_have_taken(peer_tree, tmp_path):
    with broadcast_over(peer_tree, tmp_path) as (cluster, broadcast):
        owner = cluster.owner()
        rest = [node for node in cluster.nodes if node is not owner]
        owner.signal(signal.SIGSTOP)
        cluster.settle(rest)
        heir = next(node for node in rest if node.has_tree())
        late = [broadcast.watch(heir)]
        # A source that cannot be reached is known to nobody where the owner that knew it is gone.
        if owner is not cluster.nodes[0]:
            broadcast.are_connected(late)
        owner.signal(signal.SIGCONT)
        broadcast.are_connected(late if owner is cluster.nodes[0] else [])
        until(lambda: not owner.has_tree(), "the node that stood still goes on with the tree")
        cluster.settle()
        broadcast.is_whole(owner, VIEWERS + 1)
        broadcast.finish(late)


def test_etcd_goes_away_and_nothing_else_does(peer_tree, tmp_path):
    with broadcast_over(peer_tree, tmp_path) as (cluster, broadcast):
        owner, before = cluster.owner(), cluster.nodes[0].slots()
        cluster.etcd.kill()
        until(lambda: all("unconfirmed" in node.log for node in cluster.nodes), "nobody says that it is unconfirmed")
        assert all(node.figure("peer_tree_cluster_confirmed") == 0 for node in cluster.nodes)
        late = [broadcast.late_viewer(node) for node in cluster.nodes]
        # A tree that is made now, by whichever node.
        with broadcast_to_one(peer_tree, tmp_path, cluster.nodes[2]) as (link, viewer):
            assert link and viewer
        cluster.etcd.start()
        until(lambda: all("is confirmed" in node.log.split("unconfirmed")[-1] for node in cluster.nodes), "not confirmed")
        cluster.settle()
        assert cluster.nodes[0].slots() == before
        for node in cluster.nodes:
            assert node.figure("peer_tree_cluster_confirmed") == 1
            assert node.figure("peer_tree_cluster_unconfirmed_seconds_total") >= 1
            assert node.figure("peer_tree_cluster_nodes") == 3
            assert node.figure("peer_tree_cluster_slots") == before[node.name]
            assert node.figure("peer_tree_cluster_term_changes_total") >= 1024
        assert owner.has_tree()
        broadcast.is_whole(owner, VIEWERS + 3)
        broadcast.finish(late)


@contextlib.contextmanager
def broadcast_to_one(peer_tree, folder, node):
    """A short broadcast to one viewer, whole."""
    output = folder / "short"
    source = [peer_tree, "broadcast", "-", "--server", node.address, "--json", "--viewers", 1]
    with running(*source, stdin=subprocess.PIPE) as source:
        link = source.event("link")["link"]
        with running(peer_tree, "watch", link, "-o", output, "--json") as viewer:
            viewer.event("connect")
            source.process.stdin.write(b"short" * 1000)
            source.process.stdin.close()
            assert viewer.wait(30) == 0, viewer.errors
            assert output.read_bytes() == b"short" * 1000
            yield link, viewer


def test_the_nodes_are_shown_as_a_table_and_as_json(peer_tree, tmp_path):
    with contextlib.ExitStack() as stack:
        cluster = Cluster(peer_tree, tmp_path, stack, count=2)
        cluster.nodes[1].kill()
        cluster.settle(cluster.nodes[:1])
        table = run([peer_tree, "nodes", cluster.nodes[0].address], 30, capture_output=True, text=True, check=True).stdout
        rows = [line.split() for line in table.splitlines()]
        assert rows[0][0] == "NODE"
        assert rows[1][0] == "node0" and rows[1][3] == "1024" and rows[1][-1] == "confirmed"
        nodes = json.loads(run([peer_tree, "nodes", cluster.nodes[0].address, "--json"], 30, capture_output=True).stdout)
        assert nodes[0]["name"] == "node0" and nodes[0]["slots"] == 1024
        gone = run([peer_tree, "nodes", cluster.nodes[1].address], 30, capture_output=True, text=True)
        assert gone.returncode == 69 and cluster.nodes[1].address in gone.stderr
        with running(peer_tree, "serve", "--port", 0, "--json") as alone:
            address = f"http://127.0.0.1:{alone.event('listening')['port']}"
            answer = run([peer_tree, "nodes", address], 30, capture_output=True, text=True)
            assert answer.returncode == 69 and "--cluster" in answer.stderr


# Clients made by hand answer no pings: what they had stays without them.
STAYING = ["--resume-window", 600, "--source-resume-window", 600]


class Door:
    """A node for clients made by hand, whose places all stay."""

    def __init__(self, node):
        self.node, self.clients = node, []
        self.endpoint = Endpoint(int(node.address.rsplit(":", 1)[1]), "/socket.io/")

    def enter(self, **request):
        return Client(self).discover(**request)


def test_there_are_no_more_peers_at_all_nodes_together_than_there_may_be(peer_tree, tmp_path):
    most = 20
    options = ["--k", 20, "--k1", 20, "--max-peers", most, *STAYING]
    with contextlib.ExitStack() as stack:
        cluster = Cluster(peer_tree, tmp_path, stack, count=2, options=options)
        doors = [Door(node) for node in cluster.nodes]
        trees = trees_of_both(cluster, doors[0])
        count = sum(known(cluster).values())
        for number in range(most - count):
            assert "treeID" in doors[number % 2].enter(treeID=list(trees.values())[0])
            last = doors[number % 2].clients[-1]
        assert max(known(cluster, most).values()) < most
        for door in doors:
            assert door.enter(createNew=True)["code"] == "server-full"
            for tree in trees.values():
                assert door.enter(treeID=tree)["code"] == "server-full"
        last.emit("peer-tree[leave]", {})
        known(cluster, most - 1)
        assert "treeID" in doors[0].enter(treeID=list(trees.values())[1])


def known(cluster, count=None):
    """How many peers each node has, once all nodes agree, on all of these if COUNT is said."""

    def all_of_them():
        peers = cluster.peers()
        return peers if peers and None not in peers.values() and count in (None, sum(peers.values())) else None

    return until(all_of_them, lambda: [node.status() for node in cluster.nodes])


def trees_of_both(cluster, door):
    """Makes trees until each of two nodes has one; a tree of each node, by its name."""
    trees, before = {}, known(cluster, 0)
    while len(trees) < 2:
        tree = door.enter(createNew=True)["treeID"]
        now = known(cluster, sum(before.values()) + 1)
        trees[next(name for name in now if now[name] > before[name])] = tree
        before = now
    return trees


def test_any_node_lists_the_trees_of_all_and_names_who_cannot_be_reached(peer_tree, tmp_path):
    # The lease outlives the test, so that what stands still is not gone.
    options = ["--dashboard", "everybody", "--cluster-lease", 300, *STAYING]
    with contextlib.ExitStack() as stack:
        cluster = Cluster(peer_tree, tmp_path, stack, count=2, options=options)
        door = Door(cluster.nodes[0])
        trees = trees_of_both(cluster, door)
        count = sum(known(cluster).values())

        def listed(node):
            before = time.monotonic()
            listed = json.loads(node.get("/dashboard/trees"))
            listed["took"] = time.monotonic() - before
            return {tree["id"] for tree in listed["trees"]}, listed

        def are_all_listed(node):
            ids, listing = listed(node)
            return ids >= set(trees.values()) and len(ids) == listing["count"] == count and listing["missing"] == []

        for node in cluster.nodes:
            until(lambda node=node: are_all_listed(node), lambda node=node: listed(node))
            total = node.status()["cluster"]
            assert (total["trees"], total["peers"]) == (count, count)
        first, other = cluster.nodes
        other.signal(signal.SIGSTOP)
        until(lambda: listed(first)[1]["missing"] == [other.name], lambda: listed(first))
        ids, listing = listed(first)
        assert trees[first.name] in ids and trees[other.name] not in ids
        assert listing["took"] < 1
        assert first.status()["cluster"]["trees"] == len(ids)
        other.signal(signal.SIGCONT)
        until(lambda: are_all_listed(first), lambda: listed(first))


def test_all_nodes_are_started_anew_one_after_the_other(peer_tree, tmp_path):
    with broadcast_over(peer_tree, tmp_path) as (cluster, broadcast):
        for node in cluster.nodes:
            node.signal(signal.SIGTERM)
            assert node.process.wait(30) in (0, 143), node.log[-2000:]
            assert "the other servers have all that this one had" in node.log
            others = [other for other in cluster.nodes if other is not node]
            cluster.settle(others)
            # Half of the slots were there and half of them elsewhere; few may have gone without what was known of them.
            assert sum(other.figure("peer_tree_cluster_inherited_slots_total") for other in others) > 300
            node.start()
            cluster.settle()
            broadcast.is_whole(node)
        late = [broadcast.late_viewer(node) for node in cluster.nodes]
        broadcast.finish(late)


def test_original_clients_at_all_nodes_keep_their_places_when_the_owner_is_killed(peer_tree, tmp_path):
    with contextlib.ExitStack() as stack:
        cluster = Cluster(peer_tree, tmp_path, stack)
        network = Network(stack, peer_tree, tmp_path)
        network.url = cluster.nodes[0].address
        source, tree = network.source("--k1", 2)
        names = []
        for number in range(6):
            network.url = cluster.nodes[number % 3].address
            names.append(f"original{number}")
            network.legacy_viewer(tree, names[-1])
        sent = b""

        def send():
            nonlocal sent
            piece = os.urandom(50_000)
            source.process.stdin.write(piece)
            source.process.stdin.flush()
            sent += piece
            until(lambda: all(network.received(name) == sent for name in names), lambda: sizes(network, names), 30)

        send()
        owner = cluster.owner()
        owner.kill()
        rest = [node for node in cluster.nodes if node is not owner]
        cluster.settle(rest)
        until(lambda: any(node.has_tree() for node in rest), "nobody has the tree")
        send()
        # Those whose sockets are at living nodes are in the tree; one that comes now is served by an original.
        network.url = rest[0].address
        if owner is not cluster.nodes[0]:
            assert network.viewer(tree, "late").parent
        send()


def sizes(network, names):
    return {name: len(network.received(name)) for name in names}


def test_a_node_with_another_secret_gets_nothing_and_both_sides_say_why(peer_tree, tmp_path):
    with contextlib.ExitStack() as stack:
        cluster = Cluster(peer_tree, tmp_path, stack, count=2)
        wrong = tmp_path / "wrong.secret"
        wrong.write_text("this is not what the others have\n")
        node = cluster.nodes[1]
        node.kill()
        cluster.settle(cluster.nodes[:1])
        node.command[node.command.index(tmp_path / "cluster.secret")] = wrong
        node.start()
        until(lambda: "secret" in node.log and "secret" in cluster.nodes[0].log, "nobody speaks of the secret")
        assert cluster.nodes[0].slots() == {"node0": 1024, "node1": 0}


@pytest.mark.parametrize(
    "options, words",
    [
        (["--cluster", "http://127.0.0.1:1"], "--advertise"),
        (["--cluster", "http://127.0.0.1:1", "--advertise", "127.0.0.1:0"], "--cluster-secret-file"),
        (["--cluster", "http://127.0.0.1:1", "--advertise", "x", "--cluster-secret-file", "SECRET"], "HOST:PORT"),
        (["--cluster", "127.0.0.1:1"], "http://10.0.0.1:2379"),
        (["--cluster", "http://127.0.0.1:1", "--advertise", "h:1", "--cluster-secret-file", "/none"], "'/none'"),
        (["--advertise", "127.0.0.1:0"], "--cluster"),
        (
            ["--cluster", "https://127.0.0.1:1", "--advertise", "127.0.0.1:0", "--cluster-secret-file", "SECRET",
             "--etcd-authorities", "/none"],
            "/none",
        ),
    ],
)
def test_what_is_wrong_with_a_node_s_settings_is_said(peer_tree, tmp_path, options, words):
    secret = tmp_path / "secret"
    secret.write_text("a secret that all nodes share")
    options = [str(secret) if option == "SECRET" else option for option in options]
    with running(peer_tree, "serve", "--port", 0, "--state-secret", "x" * 40, *options) as server:
        assert server.wait(20) in (64, 66), server.error_text
        assert words in server.error_text
