"""What signing costs: a file through two `peer-tree` processes, unsigned and signed by turns: their processor time, and the
rate from the viewer's first link to its last byte. With --paced, messages of 10 KB thirty times a second (2.5 Mbit/s) down a
chain of four viewers: what a hop takes, and the bytes on the loopback, on which nothing else should be going on then.

    python3 Benchmarks/signing.py --peer-tree PROGRAM [--megabytes 200] [--rounds 3]
    python3 Benchmarks/signing.py --peer-tree PROGRAM --paced [--seconds 20] [--rounds 3]
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "Tests" / "Interop"))

from encryption import MESSAGE, MESSAGES_A_SECOND, once  # noqa: E402
from trees import chain, server, write  # noqa: E402

WAYS = {"unsigned": ["--unsigned"], "signed": []}
HOPS = 4


def bulk(options):
    """Files."""
    rounds = {name: [] for name in WAYS}
    with tempfile.NamedTemporaryFile() as file:
        for _ in range(options.megabytes):
            file.write(os.urandom(1_000_000))
        file.flush()
        with server(options.peer_tree, k=1, k1=1) as url:
            for _ in range(options.rounds):
                for name, flags in WAYS.items():
                    rounds[name].append(once(options.peer_tree, url, Path(file.name), flags))
    columns = {name: [statistics.median(column) for column in zip(*values)] for name, values in rounds.items()}
    seconds = {name: [value * 1000 / options.megabytes for value in values[:2]] for name, values in columns.items()}
    for index, end in enumerate(["source", "viewer"]):
        show(f"{end}, s of processor time a GB", {name: values[index] for name, values in seconds.items()})
    show("both, s of processor time a GB", {name: sum(values) for name, values in seconds.items()})
    show("MB a second", {name: options.megabytes / values[2] for name, values in columns.items()})


def paced(options):
    """Messages of 2.5 Mbit/s."""
    rounds = {name: [] for name in WAYS}
    for _ in range(options.rounds):
        for name, flags in WAYS.items():
            rounds[name].append(messages(options.peer_tree, flags, options.seconds))
    columns = {name: [statistics.median(column) for column in zip(*values)] for name, values in rounds.items()}
    show("ms a hop, p50", {name: values[0] for name, values in columns.items()})
    show("bytes on all links for a byte of content and link", {name: values[1] for name, values in columns.items()})


def messages(program, flags, seconds):
    """Median lag of a hop, and bytes on the loopback for each byte of content and viewer."""
    with chain(program, HOPS, "--raw", *flags) as (source, viewers):
        before, count = loopback_bytes(), seconds * MESSAGES_A_SECOND
        write(source, MESSAGE, count, 1 / MESSAGES_A_SECOND)
        carried = loopback_bytes() - before
        source.stdin.close()
        lags = [viewer.event("end")["lag_p50_ms"] for viewer in viewers]
    return (lags[-1] - lags[0]) / (HOPS - 1), carried / (count * MESSAGE * HOPS)


def loopback_bytes():
    line = next(line for line in Path("/proc/net/dev").read_text().splitlines() if line.strip().startswith("lo:"))
    return int(line.split()[1])


def show(what, values):
    ratio = values["signed"] / values["unsigned"]
    print(json.dumps({"what": what, **{name: round(value, 4) for name, value in values.items()}, "ratio": round(ratio, 4)}))


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--peer-tree", required=True)
    parser.add_argument("--paced", action="store_true")
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    (paced if options.paced else bulk)(options)


if __name__ == "__main__":
    main()
