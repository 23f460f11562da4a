"""Three nodes and an etcd beside one server alone, on this machine.

    python3 Benchmarks/cluster.py --peer-tree PROGRAM --load PROGRAM [--peers N] [--members N] [--rounds N] [--parts PART ...]

Joins: peers at all three nodes join one tree, beside as many at one server. Forwarded: what a join costs at the node that
has the tree, and at another. Moved: while 100 peers a second leave and join a tree of many members, its node is stopped, or
killed; how long the slowest of those that came meanwhile waited for a place. Sockets: one tree with more members than a process
may have sockets, a crowd of `--peers` at each node, which all stay for `--seconds`; Linux only.
"""

import argparse
import contextlib
import json
import os
import pathlib
import re
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time

# Before this folder, which has a cluster.py, too: this one.
sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "Tests" / "Interop"))
from cluster import Cluster  # noqa: E402
from processes import running  # noqa: E402
from waiting import until  # noqa: E402


class Crowd:
    """load-bench, which joins a tree, or makes one and tells it at the beginning."""

    def __init__(self, options, scenario, servers, *arguments, tree=None):
        command = [options.load, scenario, *servers, *map(str, arguments), *(["--tree", tree] if tree else [])]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.tree = tree or self.process.stderr.readline().split()[-1]

    def report(self):
        output, errors = self.process.communicate()
        if self.process.returncode != 0:
            raise SystemExit(f"{self.process.args} failed: {errors}")
        return json.loads(output)

    def end(self):
        self.process.kill()
        self.process.communicate()


@contextlib.contextmanager
def cluster(options):
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        yield Cluster(options.server, folder, stack, options=("--k", 4, "--k1", 10))


def row(name, measured, goal=""):
    print(f"    {name:<58}{measured:>16}{goal:>12}", flush=True)


def joins(options):
    ratios, rates = [], []
    for _ in range(options.rounds):
        with running(options.server, "serve", "--port", 0, "--json") as server:
            address = f"http://127.0.0.1:{server.event('listening')['port']}"
            alone = Crowd(options, "joins", [address], "--peers", options.peers).report()["perSecond"]
        with cluster(options) as nodes:
            addresses = [node.address for node in nodes.nodes]
            three = Crowd(options, "joins", addresses, "--peers", options.peers).report()["perSecond"]
        rates.append((alone, three))
        ratios.append(three / alone)
    row("joins a second, one server", f"{statistics.median(rate for rate, _ in rates):,.0f}")
    row("joins a second, three nodes", f"{statistics.median(rate for _, rate in rates):,.0f}")
    row("ratio", f"{statistics.median(ratios):.2f}", ">= 0.6")


def forwarded(options):
    """A new cluster each time, so that it has one tree, and whoever has that is known."""
    times = {True: [], False: []}
    while min(len(found) for found in times.values()) < options.rounds:
        with cluster(options) as nodes:
            first = nodes.nodes[0].address
            crowd = Crowd(options, "steady", [first], "--peers", 1000, "--rate", 100, "--seconds", 10)
            is_local = nodes.owner() is nodes.nodes[0]
            times[is_local].append(crowd.report())
    for is_local, where in [(True, "at the tree's node"), (False, "at another")]:
        for figure in ("P50", "P99"):
            value = statistics.median(report[f"discover{figure}"] for report in times[is_local])
            row(f"discover {figure.lower()} {where}, ms", f"{value:.2f}", "<= 3" if figure == "P99" else "")


def moved(options, name, number):
    """The tree's node ends, which has none of the sockets."""
    worst = []
    while len(worst) < options.rounds:
        with cluster(options) as nodes:
            addresses = [node.address for node in nodes.nodes[:2]]
            crowd = Crowd(options, "steady", addresses, "--peers", options.members, "--rate", 100, "--seconds", 24)
            if nodes.owner() is not nodes.nodes[2]:
                crowd.end()
                continue
            until(lambda: (nodes.nodes[2].status() or {}).get("peers", 0) > options.members, "they do not come", 60)
            time.sleep(10)
            nodes.nodes[2].signal(number)
            worst.append(crowd.report()["discoverMax"] / 1000)
    row(f"slowest join while the node of {options.members:,} is {name}, s", f"{statistics.median(worst):.2f}")


def memory(process):
    """Resident bytes."""
    text = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", text)[1]) * 1024


def processor(process):
    """Seconds of processor time so far."""
    fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def sockets(options):
    """Whoever loses a socket, or is refused, fails."""
    with contextlib.ExitStack() as stack:
        nodes = stack.enter_context(cluster(options))
        servers = [node.process.process for node in nodes.nodes]
        before = [memory(server) for server in servers]
        begin = time.monotonic()
        crowds = []
        for node in nodes.nodes:
            crowd = Crowd(
                options, "idle", [node.address], "--peers", options.peers, "--seconds", options.seconds,
                tree=crowds[0].tree if crowds else None,
            )  # fmt: skip
            stack.callback(crowd.end)
            crowds.append(crowd)
        everybody = len(crowds) * options.peers + 1

        def are_there():
            failed = [crowd for crowd in crowds if crowd.process.poll() is not None]
            if failed:
                failed[0].report()
                raise SystemExit("a crowd was gone before all were there")
            return sum((nodes.peers() or {None: 0}).values()) == everybody

        until(are_there, lambda: nodes.peers(), 600)
        row("sockets, and members of one tree", f"{everybody:,}", ">= 45,000")
        row("until all were in it, s", f"{time.monotonic() - begin:.0f}")
        for node in nodes.nodes:
            viewers = node.shape(crowds[0].tree)["viewers"]
            assert viewers == everybody - 1, f"{node.name} knows {viewers} viewers"
        owner = nodes.peers()
        cpu = [processor(server) for server in servers]
        time.sleep(20)
        for node, server, resident, seconds in zip(nodes.nodes, servers, before, cpu):
            what = "the tree's node" if owner[node.name] else "another node"
            row(f"{what}: bytes a socket", f"{(memory(server) - resident) / options.peers:,.0f}")
            row(f"{what}: percent of a core while all are idle", f"{(processor(server) - seconds) / 20 * 100:.1f}")
        row("a crowd: bytes a peer", f"{memory(crowds[0].process) / options.peers:,.0f}")
        row("heartbeats while all stay", f"{sum(crowd.report()['pings'] for crowd in crowds):,.0f}")


PARTS = {
    "joins": joins,
    "forwarded": forwarded,
    "stopped": lambda options: moved(options, "stopped", signal.SIGTERM),
    "killed": lambda options: moved(options, "killed", signal.SIGKILL),
    "sockets": sockets,
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--peer-tree", dest="server", required=True, metavar="PROGRAM")
    parser.add_argument("--load", required=True, metavar="PROGRAM")
    parser.add_argument("--peers", type=int, default=15000)
    parser.add_argument("--members", type=int, default=10000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=60, help="how long all sockets stay")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    options = parser.parse_args()
    # A socket for each peer, in the servers too.
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    print(f"    {'':<58}{'measured':>16}{'goal':>12}")
    for part in options.parts:
        PARTS[part](options)


if __name__ == "__main__":
    main()
