"""Data channels side by side: peer-tree's transport, Pion and aiortc, the same scenarios by turns in one run.

    python3 Benchmarks/transport.py --peer-tree PROGRAM [--pion PROGRAM] [--aiortc PYTHON] [--rounds N] [--seconds S]

The programs play the roles and speak the lines described in README.md. Figures are medians over the rounds; on a
busy machine only the ratios mean something, which is why the programs take turns. A dash stands where a program was
not asked: what it would take is beyond it.
"""

import argparse
import json
import pathlib
import queue
import shlex
import statistics
import subprocess
import sys
import threading
import time

PATIENCE = 60  # Seconds until a program that does not answer is given up.


class Role:
    """One process that plays a role."""

    def __init__(self, program, *arguments):
        command = [*shlex.split(program), *map(str, arguments)]
        self.name = " ".join(command)
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
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

    def resident(self):
        """Resident memory in bytes."""
        text = subprocess.run(["ps", "-o", "rss=", "-p", str(self.process.pid)], stdout=subprocess.PIPE, text=True)
        return int(text.stdout) * 1024

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
    pace = ["--credit", 2 << 20] if ours else []
    return run_relay(program, seconds, children, pace)


def steady_relay(program, seconds, children):
    """A relay that receives 10 MB/s: its CPU time per GB that it sends."""
    result = run_relay(program, seconds, children, ["--rate", 10_000_000])
    return {"MB/s": result["MB/s"], "CPU s/GB sent": result["CPU s/GB"] / children}


def run_relay(program, seconds, children, pace):
    source = Role(program, "source", "--size", 16384, *pace)
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


def dial(program, count, parallel, idle_seconds=0):
    """One process offers connections, `parallel` at a time, to as many peers of another process, and keeps them open."""
    dialler = Role(program, "dial", "--count", count, "--parallel", parallel)
    acceptor = Role(program, "accept")

    def carry_answers():
        for _ in range(count):
            line = acceptor.await_line("answer")
            dialler.say(answer=line["answer"], link=line.get("link", 0))

    try:
        dialler.report()
        empty = dialler.resident()
        dialler.say(command="start", link=0)
        threading.Thread(target=carry_answers, daemon=True).start()
        for _ in range(count):
            line = dialler.await_line("offer")
            acceptor.say(offer=line["offer"], link=line.get("link", 0))
        done = dialler.await_line("p50")
        result = {"p50 ms": done["p50"] / 1000, "p99 ms": done["p99"] / 1000, "all within s": done["seconds"]}
        if idle_seconds == 0:
            return result
        time.sleep(3)
        _, cpu, begin = dialler.report()
        time.sleep(idle_seconds)
        _, later, end = dialler.report()
        return {"% of a core": 100 * (later - cpu) / (end - begin), "KB each": (dialler.resident() - empty) / count / 1e3}
    finally:
        dialler.end()
        acceptor.end()


def scenarios(seconds):
    """Title, the programs it is for, and the scenario."""
    everyone = ("peer-tree", "Pion", "aiortc")
    ours_and_pion = ("peer-tree", "Pion")
    for size in (16, 64):
        title = f"one way, {size} KiB messages"
        yield title, everyone, lambda program, name, size=size: one_way(program, seconds, size * 1024)
    yield "round trip of 64 bytes", everyone, lambda program, name: round_trip(program, 64, 5000)
    for children in (1, 2, 4):
        title = f"relay to {children} {'child' if children == 1 else 'children'}, 16 KiB"
        yield title, ours_and_pion, lambda program, name, children=children: relay(
            program, seconds, children, name == "peer-tree"
        )
    for children in (1, 16):
        title = f"relay of 10 MB/s to {children} {'child' if children == 1 else 'children'}"
        yield title, ("peer-tree",), lambda program, name, children=children: steady_relay(program, seconds, children)
    for count in (1, 2):
        title = f"8 links in a process, {count} event {'loop' if count == 1 else 'loops'}"
        yield title, ("peer-tree",), lambda program, name, count=count: loops(program, seconds, count)
    yield "set-up, one after the other", everyone, lambda program, name: dial(program, 30, 1)
    yield "set-up, 50 at once", everyone, lambda program, name: dial(program, 50, 50)
    yield "500 idle connections", ours_and_pion, lambda program, name: dial(program, 500, 25, 5 + seconds)


def loops(program, seconds, count):
    """Eight links with both ends in one process, on so many event loops: all bytes that arrive."""
    role = Role(program, "loops", "--children", 8, "--parallel", count, "--size", 16384)
    try:
        await_open([role])
        return measure(role, [role], [role], seconds)
    finally:
        role.end()


def median(results):
    return {key: statistics.median(result[key] for result in results) for key in results[0]}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--peer-tree", dest="ours", metavar="PROGRAM")
    parser.add_argument("--pion", metavar="PROGRAM")
    parser.add_argument("--aiortc", metavar="PYTHON", help="a Python that has aiortc")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--only", default="", help="only scenarios whose title has this in it")
    parser.add_argument("--json", metavar="FILE", help="write the figures there too")
    options = parser.parse_args()
    aiortc = pathlib.Path(__file__).with_name("aiortc_peer.py")
    programs = {
        "peer-tree": options.ours,
        "Pion": options.pion,
        "aiortc": options.aiortc and shlex.join([options.aiortc, str(aiortc)]),
    }
    programs = {name: program for name, program in programs.items() if program}

    figures = {}
    headings = "".join(f"{name:>12}" for name in programs)
    print(f"{'':32}{'figure':>14}{headings}{'ours/Pion':>11}", flush=True)
    for title, names, run in scenarios(options.seconds):
        if options.only not in title:
            continue
        results = {name: [] for name in programs if name in names}
        for _ in range(options.rounds):
            for name in results:
                results[name].append(run(programs[name], name))
        medians = {name: median(result) for name, result in results.items()}
        figures[title] = medians
        for row, key in enumerate(next(iter(medians.values()), {})):
            columns = "".join(f"{medians[name][key]:12.1f}" if name in medians else f"{'-':>12}" for name in programs)
            both = "peer-tree" in medians and "Pion" in medians
            ratio = f"{medians['peer-tree'][key] / medians['Pion'][key]:11.2f}" if both else ""
            print(f"{title if row == 0 else '':32}{key:>14}{columns}{ratio}", flush=True)
    if options.json:
        with open(options.json, "w") as file:
            json.dump(figures, file, indent=2)


if __name__ == "__main__":
    sys.exit(main())
