"""What signing costs: a file through two `peer-tree` processes, unsigned and signed by turns: their processor time, and the
rate from the viewer's first link to its last byte.

    python3 Benchmarks/signing.py --peer-tree PROGRAM [--megabytes 200] [--rounds 3]
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "Tests" / "Interop"))

from encryption import once  # noqa: E402
from processes import running  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--peer-tree", required=True)
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    rounds = {"unsigned": [], "signed": []}
    with tempfile.NamedTemporaryFile() as file:
        for _ in range(options.megabytes):
            file.write(os.urandom(1_000_000))
        file.flush()
        with running(options.peer_tree, "serve", "--port", 0, "--json") as server:
            url = f"http://127.0.0.1:{server.event('listening')['port']}"
            for _ in range(options.rounds):
                for name, flags in {"unsigned": ["--unsigned"], "signed": []}.items():
                    rounds[name].append(once(options.peer_tree, url, Path(file.name), flags))
    medians = {name: [statistics.median(column) for column in zip(*values)] for name, values in rounds.items()}
    for index, end in enumerate(["source", "viewer"]):
        seconds = {name: columns[index] * 1000 / options.megabytes for name, columns in medians.items()}
        ratio = seconds["signed"] / seconds["unsigned"]
        print(json.dumps({"end": end, **{f"{name}_s_per_GB": round(value, 2) for name, value in seconds.items()}, "ratio": round(ratio, 2)}))
    rates = {name: options.megabytes / columns[2] for name, columns in medians.items()}
    ratio = rates["signed"] / rates["unsigned"]
    print(json.dumps({**{f"{name}_MB_per_s": round(rate) for name, rate in rates.items()}, "ratio": round(ratio, 2)}))


if __name__ == "__main__":
    main()
