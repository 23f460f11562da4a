"""How long a 64-byte message takes from the source's `write` to the reader of a viewer, hop by hop down a chain.

    python3 Benchmarks/latency.py --peer-tree PROGRAM [--hops N] [--messages N] [--json FILE]

Every peer is a process of its own on this machine; the source's clock is theirs. A hop's latency is the difference
between two viewers that follow each other.
"""

import argparse
import json
import sys

from trees import chain, write


def measure(program, hops, messages):
    with chain(program, hops) as (source, viewers):
        write(source, 64, messages, 0.002)
        source.stdin.close()
        results = [viewer.event("end") for viewer in viewers]
    if any(result["bytes"] != 64 * messages for result in results):
        raise SystemExit("a viewer did not receive what was sent")
    return [(result["lag_p50_ms"], result["lag_p99_ms"]) for result in results]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--peer-tree", required=True)
    parser.add_argument("--hops", type=int, default=4)
    parser.add_argument("--messages", type=int, default=2000)
    parser.add_argument("--json")
    options = parser.parse_args()
    lags = measure(options.peer_tree, options.hops, options.messages)
    for hop, (median, late) in enumerate(lags, start=1):
        print(f"after {hop} hops: p50 {median * 1000:6.0f} us, p99 {late * 1000:6.0f} us")
    per_hop = (lags[-1][0] - lags[0][0]) / max(1, len(lags) - 1)
    print(f"a hop more: p50 {per_hop * 1000:6.0f} us, p99 {(lags[-1][1] - lags[0][1]) / max(1, len(lags) - 1) * 1000:6.0f} us")
    if options.json:
        json.dump({"lags_ms": lags}, open(options.json, "w"), indent=1)


if __name__ == "__main__":
    sys.exit(main())
