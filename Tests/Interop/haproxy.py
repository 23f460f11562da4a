"""haproxy before the nodes of a cluster, with the configuration of `Deploy`."""

import os
import re
import shutil
import urllib.parse

from cluster import Server
from processes import own_port, running
from waiting import until

# What haproxy speaks to nodes from.
OWN = "127.0.0.1"


class HAProxy(Server):
    """haproxy before a cluster's nodes; to clients of the cluster it is the only node there is."""

    def __init__(self, configuration, cluster, stack):
        port = stack.enter_context(own_port())
        # Debian has it where only root looks.
        program = shutil.which("haproxy", path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")
        assert program, "there is no haproxy: Scripts/bootstrap test installs it"
        super().__init__("haproxy", [program, "-db", "-n", 1000, "-f", configuration], f"http://{OWN}:{port}", stack)
        self.nodes = [self]
        addresses = {f"PEER_TREE_NODE{number}": host(node) for number, node in enumerate(cluster.nodes, 1)}
        environment = {**os.environ, **addresses, "PEER_TREE_BIND": f"{OWN}:{port}"}
        self.process = stack.enter_context(running(*self.command, env=environment))
        until(lambda: self.get("/readyz"), lambda: self.log)

    def has_left_out(self, number):
        """Whether a node, of which the first is 1, gets nothing new."""
        return re.findall(f"Server nodes/node{number} is (UP|DOWN)", self.log)[-1:] == ["DOWN"]


def host(server):
    """HOST:PORT of a server."""
    return urllib.parse.urlsplit(server.address).netloc


def clients(node):
    """How many sockets a node has."""
    status = node.status()
    return status["clients"] if status else 0
