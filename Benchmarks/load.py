"""A server under a full house: `peer-tree serve` in one process, all its peers in another.

    python3 Benchmarks/load.py --peer-tree PROGRAM --load PROGRAM [--peers N] [--rounds N] [--only SCENARIO ...]

Each scenario gets servers of its own; joins and connect are medians of several rounds. Beside ours stand the figures of
the original system (Node 20, socket.io 4.8, one tree of k 4) as they were once measured on a machine of two cores; it is
not run here. `load-bench --legacy` makes the same runs against it where it is installed.
"""

import argparse
import json
import resource
import statistics
import subprocess

ORIGINAL_RATE = {1000: "1,025", 10000: "946", 19000: "376"}
SCENARIOS = ["joins", "joins-links", "joins-legacy", "connect", "connect-legacy", "steady", "idle", "churn"]


def run(options, scenario, arguments):
    """One server, one crowd; the crowd's report."""
    name, *kinds = scenario.split("-")
    server = subprocess.Popen(
        [options.server, "serve", "--port", "0", "--json", *options.serve],
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    )
    try:
        port = json.loads(server.stdout.readline())["port"]
        command = [options.load, name, f"http://127.0.0.1:{port}", "--server-pid", str(server.pid)]
        command += ["--peers", str(options.peers), *[f"--{kind}" for kind in kinds], *arguments]
        crowd = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        if crowd.returncode != 0:
            raise SystemExit(f"{' '.join(command)} failed")
        return json.loads(crowd.stdout)
    finally:
        server.terminate()
        server.wait(60)


def rounds(options, scenario, *arguments):
    """The median of each figure over the rounds."""
    reports = [run(options, scenario, arguments) for _ in range(options.rounds)]
    return {name: statistics.median(report[name] for report in reports) for name in reports[0]}


def row(name, ours, goal="", original=""):
    print(f"    {name:<46}{ours:>14}{goal:>14}{original:>12}", flush=True)


def print_joins(options, title, scenario, goal):
    report = rounds(options, scenario)
    print(f"  {title}, {options.peers:,} peers, medians of {options.rounds}")
    sizes = [int(name.removeprefix("perSecondAt")) for name in report if name.startswith("perSecondAt")]
    for size in sizes:
        row(f"joins a second as the tree reaches {size:,}", f"{report[f'perSecondAt{size}']:,.0f}", goal,
            ORIGINAL_RATE.get(size, ""))
    row("joins a second, all", f"{report['perSecond']:,.0f}", goal)
    row("discover p50, ms", f"{report['discoverP50']:.1f}", "", "3.8")
    row("discover p99, ms", f"{report['discoverP99']:.1f}", "", "81")
    print_processes(report)


def print_processes(report):
    row("server, percent of a core", f"{report['serverPercent']:.0f}")
    row("generator, percent of a core", f"{report['generatorPercent']:.0f}")


def print_steady(options, seconds):
    report = run(options, "steady", ["--rate", "100", "--seconds", str(seconds)])
    print(f"  100 peers a second leave, 100 connect and join, {options.peers:,} there, {seconds} s")
    row("discover p50, ms", f"{report['discoverP50']:.2f}")
    row("discover p99, ms", f"{report['discoverP99']:.2f}", "<= 10", "81")
    row("connecting and discover p99, ms", f"{report['arrivalP99']:.2f}")
    print_processes(report)


def print_idle(options, seconds):
    report = run(options, "idle", ["--seconds", str(seconds)])
    print(f"  {options.peers:,} peers are there, default heartbeats, {seconds} s")
    row("server, percent of a core", f"{report['serverPercent']:.2f}", "<= 3")
    row("server memory, bytes a peer", f"{report['bytesPerPeer']:,.0f}", "<= 8,192", "15,000")
    row("pings a second", f"{report['pings'] / report['seconds']:,.0f}")


def print_churn(options, seconds):
    report = run(options, "churn", ["--rate", "50", "--seconds", str(seconds)])
    print(f"  50 peers a second leave, every second one without a word, 50 come, {options.peers:,} there, {seconds} s")
    row("deepest level", f"{report['deepest']:.0f}", f"<= {report['optimalDepth'] + 1:.0f}")
    row("optimal depth", f"{report['optimalDepth']:.0f}")
    row("discover p99, ms", f"{report['discoverP99']:.2f}")
    mebibytes = [f"{report[name] / 2**20:.1f}" for name in ("residentAtFirst", "residentAtLast", "residentAtMost")]
    row("server memory at first, MiB", mebibytes[0])
    row("server memory at last and at most, MiB", f"{mebibytes[1]}, {mebibytes[2]}", "flat", "+10 KB each")
    print_processes(report)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--peer-tree", dest="server", required=True, metavar="PROGRAM")
    parser.add_argument("--load", required=True, metavar="PROGRAM")
    parser.add_argument("--peers", type=int, default=19000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=SCENARIOS, default=SCENARIOS)
    parser.add_argument("--seconds", type=int, default=60, help="how long steady, idle and churn last")
    parser.add_argument("--serve", nargs=argparse.REMAINDER, default=[], help="further options of peer-tree serve")
    options = parser.parse_args()

    # A socket for each peer, in the server too.
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    print(f"    {'':<46}{'measured':>14}{'goal':>14}{'original':>12}")
    titles = {
        "joins": ("Joins, sockets open", ">= 5,000"),
        "joins-links": ("Joins with offer and answer, sockets open", ""),
        "joins-legacy": ("Joins of the original's peers, sockets open", ">= 5,000"),
        "connect": ("Connecting and joining", ">= 3,000"),
        "connect-legacy": ("Connecting and joining, the original's peers", ">= 3,000"),
    }
    for scenario in options.only:
        if scenario in titles:
            title, goal = titles[scenario]
            print_joins(options, title, scenario, goal)
        elif scenario == "steady":
            print_steady(options, options.seconds)
        elif scenario == "idle":
            print_idle(options, options.seconds)
        elif scenario == "churn":
            print_churn(options, options.seconds)


if __name__ == "__main__":
    main()
