"""One relay of a real tree: a source, the relay, and 1, 2 or 4 viewers below it, each a `peer-tree` process.

    python3 Benchmarks/relay.py --peer-tree PROGRAM [--pion PROGRAM] [--megabytes N] [--rounds N] [--json FILE]

Prints the bytes a second that went through the relay, and the processor seconds of the relay alone for every GB it sent
on. The viewers and the relay hash what they receive, as they always do. With --pion, Pion's one-way rate is measured by
turns in the same run.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

from trees import Viewer, server
from transport import one_way


TICKS = os.sysconf("SC_CLK_TCK")


def processor_seconds(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def measure(program, children, megabytes):
    """(bytes a second through the relay, its processor seconds per GB sent)"""
    with server(program, k=8, k1=1) as address:
        command = [program, "broadcast", "-", "--server", address, "--k1", "1", "--viewers", str(children + 1), "--json"]
        source = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        link = json.loads(source.stdout.readline())["link"]
        relay = Viewer(program, link, children)
        relay.event("connect")
        leaves = [Viewer(program, link, 1) for _ in range(children)]
        for leaf in leaves:
            leaf.event("connect")
        before = processor_seconds(relay.process.pid)
        begin = time.monotonic()
        block = os.urandom(1 << 20)
        for _ in range(megabytes):
            source.stdin.write(block)
        source.stdin.flush()
        # Written is not arrived: the last of it is in the window, so the clock runs until the leaves have everything.
        wait_until_idle(relay.process.pid, before)
        after = processor_seconds(relay.process.pid)
        seconds = wait_until_idle.busy_until - begin
        source.stdin.close()
        results = [leaf.event("end") for leaf in leaves]
        total = megabytes << 20
        if any(result["bytes"] != total for result in results):
            raise SystemExit("a viewer did not receive what was sent")
        for process in [source, relay.process, *(leaf.process for leaf in leaves)]:
            process.wait(30)
        return total / seconds, (after - before) / (total * children / 1e9)


def wait_until_idle(pid, base):
    """Returns once the process has used almost no processor time for a quarter of a second."""
    last = processor_seconds(pid)
    wait_until_idle.busy_until = time.monotonic()
    quiet_since = time.monotonic()
    while time.monotonic() - quiet_since < 0.25:
        time.sleep(0.02)
        now = processor_seconds(pid)
        if now - last > 0.01:
            last = now
            quiet_since = time.monotonic()
            wait_until_idle.busy_until = quiet_since


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--peer-tree", required=True)
    parser.add_argument("--pion")
    parser.add_argument("--megabytes", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json")
    options = parser.parse_args()
    figures = {}
    for children in (1, 2, 4):
        rounds, pion = [], []
        for _ in range(options.rounds):
            rounds.append(measure(options.peer_tree, children, options.megabytes))
            if options.pion:
                pion.append(one_way(options.pion, 3, 16384)["MB/s"])
        rate = statistics.median(r[0] for r in rounds) / 1e6
        cost = statistics.median(r[1] for r in rounds)
        figures[children] = {"MB/s in": rate, "MB/s out": rate * children, "CPU s per GB sent": cost}
        line = f"relay to {children}: {rate:6.1f} MB/s in, {rate * children:6.1f} MB/s out, {cost:5.2f} CPU s per GB sent"
        if pion:
            figures[children]["Pion one way MB/s"] = statistics.median(pion)
            line += f"; Pion one way {statistics.median(pion):5.1f} MB/s, ratio {rate * children / statistics.median(pion):4.1f}"
        print(line, flush=True)
    if options.json:
        json.dump(figures, open(options.json, "w"), indent=1)


if __name__ == "__main__":
    sys.exit(main())
