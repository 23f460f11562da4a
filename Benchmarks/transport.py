"""Data channels side by side: peer-tree's transport and Pion, the same scenarios by turns in one run.

    python3 Benchmarks/transport.py --peer-tree PROGRAM --pion PROGRAM [--rounds N] [--seconds S] [--json FILE]

Both programs play the roles and speak the lines described in README.md. Figures are medians over the rounds; on a
busy machine only the ratios mean something, which is why the programs take turns.
"""

import argparse
import json
import queue
import statistics
import subprocess
import sys
import threading
import time

PATIENCE = 30  # Seconds until a program that does not answer is given up.


class Role:
    """One process that plays a role."""

    def __init__(self, program, *arguments):
        self.name = " ".join([program, *map(str, arguments)])
        self.process = subprocess.Popen(
            [program, *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self.lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(json.loads(line))
        self.lines.put(None)

    def say(self, **line):
        self.process.stdin.write(json.dumps(line) + "\n")
        self.process.stdin.flush()

    def await_line(self, key, patience=PATIENCE):
        """The next line; it must have the key."""
        try:
            line = self.lines.get(timeout=patience)
        except queue.Empty:
            raise SystemExit(f"{self.name}: no '{key}' within {patience} s") from None
        if line is None or key not in line:
            raise SystemExit(f"{self.name}: expected '{key}', got {line}")
        return line

    def report(self):
        """Bytes and CPU seconds so far, and when."""
        self.say(command="report", link=0)
        line = self.await_line("event")
        return line.get("bytes", 0), line.get("cpu", 0.0), time.monotonic()

    def end(self):
        self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def connect(parent, children):
    """Carries the offers of a parent to its children, and the answers back."""
    for _ in children:
        offer = parent.await_line("offer")
        child = children[offer.get("link", 0)]
        child.say(offer=offer["offer"], link=0)
        parent.say(answer=child.await_line("answer")["answer"], link=offer.get("link", 0))


def await_open(roles):
    for role in roles:
        line = role.await_line("event")
        if line["event"] != "open":
            raise SystemExit(f"{role.name}: expected to open, got {line}")


def measure(source, counted, sinks, seconds):
    """Starts the source; after a second, measures the slowest sink's rate and the CPU time of the roles `counted`."""
    source.say(command="start", link=0)
    time.sleep(1)
    before, begin = [role.report() for role in counted], [sink.report() for sink in sinks]
    time.sleep(seconds)
    after, end = [role.report() for role in counted], [sink.report() for sink in sinks]
    count, span = min((late[0] - early[0], late[2] - early[2]) for early, late in zip(begin, end))
    if count <= 0:
        raise SystemExit(f"{source.name}: nothing arrived")
    cpu = sum(late[1] - early[1] for early, late in zip(before, after))
    return {"MB/s": count / span / 1e6, "CPU s/GB": cpu / (count / 1e9)}


def one_way(program, seconds, size):
    source, sink = Role(program, "source", "--size", size), Role(program, "sink")
    try:
        connect(source, [sink])
        await_open([source, sink])
        return measure(source, [source, sink], [sink], seconds)
    finally:
        source.end()
        sink.end()


def relay(program, seconds, children, ours):
    """The rate is what each child gets, the CPU time is the relay's alone, per GB that it receives.

    A W3C data channel cannot stop its peer from sending, so our source waits for credit from the relay; Pion's relay,
    which reads its channel like a pipe, holds its source up by itself.
    """
    credit = ["--credit", 2 << 20] if ours else []
    source = Role(program, "source", "--size", 16384, *credit)
    middle = Role(program, "relay", "--children", children)
    sinks = [Role(program, "sink") for _ in range(children)]
    try:
        connect(source, [middle])
        connect(middle, sinks)
        await_open([source, middle, *sinks])
        return measure(source, [middle], sinks, seconds)
    finally:
        for role in [source, middle, *sinks]:
            role.end()


def round_trip(program, size, count):
    ping, pong = Role(program, "ping", "--size", size, "--count", count), Role(program, "pong")
    try:
        connect(ping, [pong])
        await_open([ping, pong])
        ping.say(command="start", link=0)
        line = ping.await_line("p50", patience=120)
        return {"p50 us": line["p50"], "p99 us": line["p99"]}
    finally:
        ping.end()
        pong.end()


def scenarios(seconds):
    yield "one way, 16 KiB messages", lambda program, ours: one_way(program, seconds, 16384)
    yield "one way, 64 KiB messages", lambda program, ours: one_way(program, seconds, 65536)
    yield "round trip of 64 bytes", lambda program, ours: round_trip(program, 64, 10000)
    for children in (1, 2, 4):
        title = f"relay to {children} {'child' if children == 1 else 'children'}, 16 KiB"
        yield title, lambda program, ours, children=children: relay(program, seconds, children, ours)


def median(results):
    return {key: statistics.median(result[key] for result in results) for key in results[0]}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--peer-tree", dest="ours", metavar="PROGRAM")
    parser.add_argument("--pion", required=True, metavar="PROGRAM")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--only", default="", help="only scenarios whose title has this in it")
    parser.add_argument("--json", metavar="FILE", help="write the figures there too")
    options = parser.parse_args()
    programs = {"peer-tree": options.ours, "Pion": options.pion}
    programs = {name: program for name, program in programs.items() if program}

    figures = {}
    print(f"{'':32}{'figure':>10}" + "".join(f"{name:>12}" for name in programs) + f"{'ratio':>9}", flush=True)
    for title, run in scenarios(options.seconds):
        if options.only not in title:
            continue
        results = {name: [] for name in programs}
        for _ in range(options.rounds):
            for name, program in programs.items():
                results[name].append(run(program, name == "peer-tree"))
        medians = {name: median(results[name]) for name in programs}
        figures[title] = medians
        for row, key in enumerate(medians["Pion"]):
            values = [medians[name][key] for name in programs]
            ratio = f"{values[0] / values[1]:9.2f}" if len(values) == 2 else ""
            columns = "".join(f"{value:12.1f}" for value in values)
            print(f"{title if row == 0 else '':32}{key:>10}{columns}{ratio}", flush=True)
    if options.json:
        with open(options.json, "w") as file:
            json.dump(figures, file, indent=2)


if __name__ == "__main__":
    sys.exit(main())
