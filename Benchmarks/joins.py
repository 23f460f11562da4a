"""What a viewer costs: how long it takes to join, and the processor time and memory of a relay, of one program beside another
by turns.

    python3 Benchmarks/joins.py --peer-tree PROGRAM [--beside PROGRAM] [--joins 20] [--rounds 3] [--seconds 10]

A join is from the start of `peer-tree watch` to its first parent that feeds. A relay passes 30 messages of 10 KB a second on
to one other viewer; its memory is its proportional set size at the end.
"""

import argparse
import contextlib
import json
import os
import re
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "Tests" / "Interop"))

from processes import running  # noqa: E402

TICKS = os.sysconf("SC_CLK_TCK")
SIZE = 10_000
RATE = 30


def processor_seconds(process):
    fields = Path(f"/proc/{process.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory(process):
    """In KB."""
    return int(re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{process.process.pid}/smaps_rollup").read_text(), re.MULTILINE)[1])


@contextlib.contextmanager
def broadcast(peer_tree, slots):
    """A server and a source of so many slots that writes all the time; the link to it."""
    over = threading.Event()
    with running(peer_tree, "serve", "--port", 0, "--k", 1, "--k1", slots, "--json") as server:
        url = f"http://127.0.0.1:{server.event('listening')['port']}"
        command = [peer_tree, "broadcast", "-", "--raw", "--server", url, "--k1", slots, "--json"]
        with running(*command, stdin=subprocess.PIPE) as source:

            def feed():
                piece = os.urandom(SIZE)
                while not over.wait(1 / RATE):
                    source.process.stdin.write(piece)
                    source.process.stdin.flush()

            link = source.event("link")["link"]
            feeder = threading.Thread(target=feed)
            feeder.start()
            try:
                yield link
            finally:
                over.set()
                feeder.join()


def watch(peer_tree, link):
    return running(peer_tree, "watch", link, "--output", "/dev/null", "--json")


def join(peer_tree, link):
    """Milliseconds from nothing to a parent that feeds."""
    begin = time.monotonic()
    with watch(peer_tree, link) as viewer:
        viewer.event("connect")
        return (time.monotonic() - begin) * 1000


def relay(peer_tree, link, seconds):
    """Percent of a core, and KB."""
    with watch(peer_tree, link) as relay:
        relay.event("connect")
        with watch(peer_tree, link) as child:
            child.event("connect")
            time.sleep(1)
            before = processor_seconds(relay)
            time.sleep(seconds)
            return (processor_seconds(relay) - before) / seconds * 100, memory(relay)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--peer-tree", required=True)
    parser.add_argument("--beside", help="another program, usually of an earlier version")
    parser.add_argument("--joins", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10)
    options = parser.parse_args()
    programs = [program for program in (options.peer_tree, options.beside) if program]
    joins = {program: [] for program in programs}
    relays = {program: [] for program in programs}
    for _ in range(options.rounds):
        for program in programs:
            # Who has left without a word keeps its slot for a while.
            with broadcast(program, slots=options.joins + 1) as link:
                joins[program] += [join(program, link) for _ in range(options.joins)]
            with broadcast(program, slots=1) as link:
                relays[program].append(relay(program, link, options.seconds))
    for program in programs:
        processor, kilobytes = zip(*relays[program])
        print(json.dumps({
            "program": program,
            "join_ms_median": round(statistics.median(joins[program]), 1),
            "join_ms_p95": round(sorted(joins[program])[int(len(joins[program]) * 0.95)], 1),
            "relay_percent_of_a_core": round(statistics.median(processor), 2),
            "relay_memory_KB": statistics.median(kilobytes),
        }))


if __name__ == "__main__":
    main()
