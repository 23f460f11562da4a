"""Joins through real sockets: `peer-tree serve` in one process, all viewers in another.

    python3 Benchmarks/joins.py --peer-tree PROGRAM --joins PROGRAM [--viewers N ...]

The original system (Node 20, socket.io 4.8, one tree of k 4) stands beside it as it was once measured on a machine of
two cores; it is not run here.
"""

import argparse
import json
import resource
import subprocess

ORIGINAL = {1000: 1025, 10000: 946}
ORIGINAL_BYTES = 15_000


def resident_bytes(pid):
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def measure(server_program, joins_program, viewers):
    server = subprocess.Popen(
        [server_program, "serve", "--port", "0", "--json"], stdout=subprocess.PIPE, text=True, bufsize=1
    )
    try:
        port = json.loads(server.stdout.readline())["port"]
        before = resident_bytes(server.pid), cpu_seconds(server.pid)
        clients = subprocess.Popen(
            [joins_program, f"http://127.0.0.1:{port}", str(viewers)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        line = clients.stdout.readline()
        if not line:
            raise SystemExit(f"{joins_program} failed with {viewers} viewers")
        figures = json.loads(line)
        figures["bytes"] = (resident_bytes(server.pid) - before[0]) / viewers
        figures["cpu"] = (cpu_seconds(server.pid) - before[1]) / viewers * 1e6
        clients.stdin.close()
        clients.wait(60)
        return figures
    finally:
        server.terminate()
        server.wait(30)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--peer-tree", dest="server", required=True, metavar="PROGRAM")
    parser.add_argument("--joins", required=True, metavar="PROGRAM")
    parser.add_argument("--viewers", type=int, nargs="+", default=[1000, 10000])
    options = parser.parse_args()

    # A socket for each viewer.
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    print(f"{'viewers':>10}{'joins/s':>10}{'original':>10}{'ratio':>8}{'discover p50':>14}{'p99':>8}", end="")
    print(f"{'server CPU':>13}{'server memory':>18}", flush=True)
    for viewers in options.viewers:
        figures = measure(options.server, options.joins, viewers)
        rate, original = figures["joinsPerSecond"], ORIGINAL.get(viewers)
        beside = f"{original:>10}{rate / original:>8.1f}" if original else f"{'':>18}"
        print(f"{viewers:>10}{rate:>10.0f}{beside}{figures['p50']:>11.1f} ms{figures['p99']:>5.0f} ms", end="")
        print(f"{figures['cpu']:>7.0f} us each{figures['bytes']:>7.0f} bytes each", flush=True)
    print(f"{'':10}(the original holds {ORIGINAL_BYTES} bytes for each peer)")


if __name__ == "__main__":
    main()
