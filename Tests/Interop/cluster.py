"""Several servers as one: an etcd and nodes, each a process that can be killed, stopped and started again."""

import contextlib
import json
import signal
import socket
import urllib.request

from processes import own_port, running
from waiting import until


class Loopback:
    """Where programs run that have this machine in common."""

    address = "127.0.0.1"
    # The beginning of a command line that runs there.
    enter = ()

    def port(self, stack):
        return stack.enter_context(own_port())

    def inside(self):
        """Sockets that are made meanwhile are made there."""
        return contextlib.nullcontext()


LOOPBACK = Loopback()


class Etcd:
    """One member, which forgets nothing when it is killed."""

    def __init__(self, folder, stack, where=LOOPBACK, certificates=None):
        """With CERTIFICATES it speaks TLS, with those alone who show one of the same authority's."""
        self.stack, self.where = stack, where
        ports = [where.port(stack) for _ in range(2)]
        client, peer = (f"http://{where.address}:{port}" for port in ports)
        client = client.replace("http:", "https:") if certificates else client
        self.context = certificates and certificates.context()
        self.address = client
        self.port = ports[0]
        self.command = [
            *where.enter, "etcd", "--name", "m0", "--data-dir", folder / "etcd", "--listen-client-urls", client,
            "--advertise-client-urls", client, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
            "--initial-cluster", f"m0={peer}", "--logger", "zap", "--log-outputs", folder / "etcd.log",
            *(certificates.of_etcd() if certificates else []),
        ]  # fmt: skip
        self.start()

    def start(self):
        self.process = self.stack.enter_context(running(*self.command))
        until(self._answers, "etcd does not answer")

    def _answers(self):
        with contextlib.suppress(OSError), self.where.inside():
            with urllib.request.urlopen(f"{self.address}/health", timeout=2, context=self.context) as answer:
                return json.load(answer)["health"] == "true"

    def kill(self):
        self.process.signal(signal.SIGKILL)
        self.process.wait()


class Server:
    """A program that answers at an address: a node, or what stands before several."""

    where = LOOPBACK

    def __init__(self, name, command, address, stack):
        self.name, self.command, self.address, self.stack = name, command, address, stack

    def signal(self, number):
        self.process.signal(number)

    def kill(self):
        self.signal(signal.SIGKILL)
        self.process.wait()

    @property
    def log(self):
        return self.process.error_text

    def get(self, path, timeout=5):
        try:
            with self.where.inside(), urllib.request.urlopen(self.address + path, timeout=timeout) as answer:
                return answer.read()
        except (OSError, socket.timeout):
            return None

    def status(self):
        text = self.get("/status")
        return text and json.loads(text)

    def slots(self):
        """How many slots each node has, as this one knows it."""
        status = self.status()
        return {node["name"]: node["slots"] for node in status["cluster"]["nodes"]} if status else {}

    def figure(self, name):
        """One of its metrics."""
        lines = (self.get("/metrics") or b"").decode().splitlines()
        return next((float(line.split()[-1]) for line in lines if line.startswith(name + " ")), None)

    def shape(self, tree):
        """Who hangs under whom; None while the tree is not known."""
        text = self.get(f"/status?tree={tree}")
        return text and json.loads(text)


class Node(Server):
    """`peer-tree serve --cluster`."""

    def __init__(self, number, command, stack, where):
        name = f"node{number}"
        self.where = where
        port, link = (where.port(stack) for _ in range(2))
        command = [*where.enter, *command, "--host", where.address, "--port", port]
        command += ["--advertise", f"{where.address}:{link}", "--node-name", name]
        super().__init__(name, command, f"http://{where.address}:{port}", stack)
        self.start()

    def start(self):
        self.process = self.stack.enter_context(running(*self.command))
        self.process.event("listening")

    def has_tree(self):
        """Whether it has a tree's services."""
        status = self.status()
        return bool(status and status["trees"])


class Cluster:
    """Nodes that share an etcd: each at a host of its own, if there are such."""

    def __init__(self, peer_tree, folder, stack, count=3, options=(), hosts=None, etcd=None):
        self.stack = stack
        self.etcd = etcd or Etcd(folder, stack)
        hosts = hosts or [LOOPBACK] * count
        secret = folder / "cluster.secret"
        secret.write_text("a secret that all nodes share\n")
        command = [
            peer_tree, "serve", "--k", 2, "--k1", 2, "--json", "--cluster", self.etcd.address,
            "--cluster-secret-file", secret, "--state-secret", "x" * 40, *options,
        ]  # fmt: skip
        self.nodes = [Node(number, command, stack, where) for number, where in enumerate(hosts)]
        self.settle()

    def settle(self, nodes=None, timeout=60):
        """Waits until these nodes have all slots, each as many as the others, and all know it."""
        nodes = nodes or self.nodes
        names = {node.name for node in nodes}

        def is_even():
            for node in nodes:
                slots = node.slots()
                if {name for name, count in slots.items() if count} != names or sum(slots.values()) != 1024:
                    return False
                if max(slots.values()) - min(slots[name] for name in names) > 2:
                    return False
            return True

        until(is_even, lambda: [node.slots() for node in nodes], timeout)

    def peers(self):
        """How many peers each node has, if all nodes agree on that; else None."""
        known = [{node["name"]: node["peers"] for node in server.status()["cluster"]["nodes"]} for server in self.nodes]
        return known[0] if all(peers == known[0] for peers in known) else None

    def owner(self):
        """The node that has the one tree there is."""
        return until(lambda: next((node for node in self.nodes if node.has_tree()), None), "nobody has the tree")


def in_place(node, tree, count):
    """Whether the tree's source and COUNT viewers are connected and have parents, as a node knows it."""
    shape = node.shape(tree)
    if not shape:
        return None
    peers = [peer for peer in shape["peers"] if peer["connected"] and None not in peer["parents"]]
    return shape if len(peers) == count else None
