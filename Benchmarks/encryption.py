"""What encryption costs: a file through two `peer-tree` processes, plain and encrypted by turns, and their processor time.

    python3 Benchmarks/encryption.py --peer-tree PROGRAM [--megabytes 1000] [--rounds 3]
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "Tests" / "Interop"))

from processes import running  # noqa: E402

TICKS = os.sysconf("SC_CLK_TCK")


def processor_seconds(process):
    """User and system time of a process that still runs."""
    fields = Path(f"/proc/{process.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def once(peer_tree, server, path, options):
    """Processor time of source and viewer for one file, without what they need to begin."""
    command = [peer_tree, "broadcast", path, "--raw", "--server", server, "--json", "--linger", 30, *options]
    with running(*command) as source:
        link = source.event("link")["link"]
        with running(peer_tree, "watch", link, "--output", "/dev/null", "--json") as viewer:
            viewer.event("connect")
            before = [processor_seconds(process) for process in (source, viewer)]
            # What a viewer has written it has hashed: its last word comes after the last byte.
            assert viewer.event("end", 300)["bytes"] == path.stat().st_size
            return [processor_seconds(process) - at for process, at in zip((source, viewer), before)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--peer-tree", required=True)
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    seconds = {"plain": [], "encrypted": []}
    with tempfile.NamedTemporaryFile() as file:
        for _ in range(options.megabytes):
            file.write(os.urandom(1_000_000))
        file.flush()
        with running(options.peer_tree, "serve", "--port", 0, "--json") as server:
            url = f"http://127.0.0.1:{server.event('listening')['port']}"
            for _ in range(options.rounds):
                for name, flags in {"plain": [], "encrypted": ["--encrypt"]}.items():
                    seconds[name].append(once(options.peer_tree, url, Path(file.name), flags))
    for index, end in enumerate(["source", "viewer"]):
        medians = {
            name: statistics.median(round_[index] for round_ in rounds) * 1000 / options.megabytes
            for name, rounds in seconds.items()
        }
        more = medians["encrypted"] - medians["plain"]
        print(json.dumps({"end": end, **{f"{name}_s_per_GB": round(value, 2) for name, value in medians.items()}, "more": round(more, 2)}))


if __name__ == "__main__":
    main()
