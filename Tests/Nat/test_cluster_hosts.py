"""A cluster whose servers are hosts of their own: one vanishes without a packet, two cannot reach each other, one has no etcd."""

import collections
import contextlib
import re
import time

import pytest
from cluster import Cluster, Etcd
from test_cluster import VIEWERS, Broadcast
from waiting import until

pytestmark = pytest.mark.timeout(300)

# Seconds of a lease, and how long after its end, on a busy machine, all slots have an owner again.
LEASE, TAKING = 5, 20
# Seconds after which a client gives up a server that has gone silent (the pings of a cluster: 10 and 10), and how long the
# next one may take on a busy machine.
SILENCE, RETURN = 20, 25


class Hosts:
    """Three servers, etcd and a host with all clients, each of which knows all servers if it KNOWS_ALL."""

    def __init__(self, lab, peer_tree, folder, stack, knows_all, count=VIEWERS):
        self.etcd = lab.host("etcd", "203.0.113.50")
        self.nodes = [lab.host(f"node{number}", f"203.0.113.6{number}") for number in range(3)]
        self.clients = lab.host("clients", "203.0.113.70")
        options = ["--cluster-lease", LEASE, "--log-level", "debug"]
        self.cluster = Cluster(peer_tree, folder, stack, options=options, hosts=self.nodes, etcd=Etcd(folder, stack, self.etcd))
        self.broadcast = Broadcast(peer_tree, folder, stack, self.cluster, count, knows_all, self.clients.enter)

    def node_of(self, client):
        """The node at which a client has its socket; with which one it began is drawn at random."""
        lines = self.clients.run("ss -Htnp state established").splitlines()
        line = next(line for line in lines if f"pid={client.process.pid}," in line)
        return next(node for node in self.cluster.nodes if f"{node.where.address}:" in line)

    def vanish(self, node):
        """Nothing comes from the host of a node any more, or gets there."""
        node.where.cut_off(*self.others(node))

    def come_back(self, node):
        node.where.join(*self.others(node))

    def others(self, node):
        return [host for host in (self.etcd, self.clients, *self.nodes) if host is not node.where]

    def check_terms(self):
        """Nobody owned a slot in a term in which another did, by what all say; that each said so at all."""
        owners = collections.defaultdict(set)
        for node in self.cluster.nodes:
            told = re.findall(r"this node owns, as SLOT@INCARNATION.REVISION: ([\d@. ]+)", node.log)
            assert told, f"{node.name} says nothing of what it owns"
            for token in " ".join(told).split():
                owners[token].add(node.name)
        assert len({token.split("@")[0] for token in owners}) == 1024
        assert [(token, names) for token, names in owners.items() if len(names) > 1] == []


@pytest.fixture
def start(lab, peer_tree, tmp_path):
    with contextlib.ExitStack() as stack:
        yield lambda **options: Hosts(lab, peer_tree, tmp_path, stack, **options)


@pytest.mark.parametrize("who", ["owner", "gateway", "source's"])
def test_a_host_vanishes_without_a_packet_and_nobody_misses_a_byte(start, who):
    hosts = start(knows_all=True)
    cluster, broadcast = hosts.cluster, hosts.broadcast
    owner = cluster.owner()
    gateways = [node for node in map(hosts.node_of, broadcast.clients) if node is not owner]
    victim = {"owner": owner, "gateway": gateways[-1], "source's": hosts.node_of(broadcast.source)}[who]
    rest = [node for node in cluster.nodes if node is not victim]
    begin = time.monotonic()
    hosts.vanish(victim)
    cluster.settle(rest, timeout=LEASE + TAKING)
    settled = time.monotonic() - begin
    # Whoever had its socket there has one elsewhere: source and viewers are whole without that host.
    broadcast.is_whole(rest[-1], timeout=SILENCE + RETURN)
    print(f"{who}: slots are owned again after {settled:.1f} s, all are back after {time.monotonic() - begin:.1f} s")
    late = [broadcast.late_viewer(node) for node in rest]
    hosts.come_back(victim)
    cluster.settle()
    broadcast.is_whole(victim, VIEWERS + len(late))
    broadcast.finish(late)
    hosts.check_terms()


def test_viewers_of_a_server_that_the_owner_does_not_reach_keep_their_places_and_get_no_new_children(start):
    # The source, with room for two, feeds a viewer of its own server.
    hosts = start(knows_all=False, count=1)
    cluster, broadcast = hosts.cluster, hosts.broadcast
    owner = cluster.owner()
    # The source, at the first node, is reached.
    between, apart = (node for node in cluster.nodes if node is not owner)
    slots = owner.slots()
    late, known = [], set(peers(owner, broadcast.tree))

    def viewer(node):
        """The label of another viewer, which has its place."""
        late.append(broadcast.late_viewer(node))
        broadcast.is_whole(owner, 1 + len(late))
        (label,) = set(peers(owner, broadcast.tree)) - known
        known.add(label)
        return label

    unreached = viewer(apart)
    begun = peers(owner, broadcast.tree)
    owner.where.cut_off(apart.where)
    for node, other in ((owner, apart), (apart, owner)):
        until(lambda: f"node '{other.name}' cannot be reached" in node.log, lambda: node.log[-2000:])
    # There is no better place than below it, and nobody gets one.
    for node in (between, owner, between):
        viewer(node)
    now = peers(owner, broadcast.tree)
    assert all(now[label]["parents"] == begun[label]["parents"] for label in begun)
    assert not any(unreached in peer["parents"] for peer in now.values())
    # Both have their leases, so nothing changes its owner.
    assert owner.slots() == slots
    owner.where.join(apart.where)
    for node, other in ((owner, apart), (apart, owner)):
        reached = f"node '{other.name}' can be reached"
        until(lambda: reached in after_last(node.log, "cannot be reached"), lambda: node.log[-2000:])
    # The next one comes through that server, and the one below it has children from now on.
    viewer(apart)
    until(
        lambda: any(unreached in peer["parents"] for peer in peers(owner, broadcast.tree).values()),
        lambda: owner.shape(broadcast.tree),
    )
    assert owner.slots() == slots
    broadcast.finish(late)
    hosts.check_terms()


def test_a_server_that_does_not_reach_etcd_keeps_its_slots_while_the_others_reach_it(start):
    hosts = start(knows_all=False)
    cluster, broadcast = hosts.cluster, hosts.broadcast
    owner = cluster.owner()
    rest = [node for node in cluster.nodes if node is not owner]
    owner.where.cut_off(hosts.etcd)
    until(lambda: "unconfirmed" in owner.log, lambda: owner.log[-2000:])
    # It is reached, so that nobody claims what it has: all goes on.
    late = [broadcast.late_viewer(node) for node in cluster.nodes]
    broadcast.is_whole(rest[0], VIEWERS + len(late))
    assert [node.name for node in cluster.nodes if node.has_tree()] == [owner.name]
    owner.where.join(hosts.etcd)
    until(lambda: "is confirmed" in after_last(owner.log, "unconfirmed"), lambda: owner.log[-2000:])
    cluster.settle()
    broadcast.is_whole(owner, VIEWERS + len(late))
    assert [node.name for node in cluster.nodes if node.has_tree()] == [owner.name]
    broadcast.finish(late)
    hosts.check_terms()


def after_last(text, words):
    return text.rpartition(words)[2]


def peers(node, tree):
    """The peers of a tree by their labels, as a node knows them."""
    return {peer["peer"]: peer for peer in node.shape(tree)["peers"]}
