#!/usr/bin/env python3
"""How a peer of ours and the kernel's TCP share a bottleneck (`path-emulator`, between two network namespaces): rates of
both, time in the queue. Linux and root only; the controls are those that the kernel has, Reno, CUBIC and BBR where it has
them all.

    Benchmarks/sharing.py --programs .build/release [--rounds 3] [--seconds 10]
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "Tests" / "Nat"), str(ROOT / "Tests" / "Interop")]

import bottleneck as networks  # noqa: E402
import lab  # noqa: E402
from peers import Peer, connect  # noqa: E402

PATHS = [{"rate": 20, "trip": trip, "queue": queue} for trip in (20, 50) for queue in (0.5, 1)]


def measure(programs, path, control, seconds):
    """MB/s of ours and of TCP, and the mean time in the queue in milliseconds, once both are under way."""
    with networks.bottleneck(programs / "path-emulator", **path) as network:
        near, far = (Peer(network, side, programs / "webrtc-interop") for side in ("near", "far"))
        flow = networks.TCPFlow(network, control) if control else None

        def counts():
            far.command("count")
            return far.event("count")["size"], flow.received() if flow else 0

        try:
            connect(near, far)
            near.command("fill")
            time.sleep(seconds / 2)
            begin, first, before = time.monotonic(), counts(), network.statistics()
            time.sleep(seconds)
            elapsed, last, after = time.monotonic() - begin, counts(), network.statistics()
        finally:
            for peer in (near, far):
                peer.stop()
            if flow:
                flow.stop()
    queued = max(1, after["queued"] - before["queued"])
    delay = (after["queueDelay"] - before["queueDelay"]) / queued / 1e6
    return [(b - a) / elapsed / 1e6 for a, b in zip(first, last)] + [delay]


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--programs", type=Path, required=True, help="the folder with path-emulator and webrtc-interop")
    parser.add_argument("--rounds", type=int, default=3, help="medians of so many (default: 3)")
    parser.add_argument("--seconds", type=float, default=10, help="of each measurement (default: 10)")
    arguments = parser.parse_args()
    if reason := lab.why_not() or networks.why_not():
        return print(f"Not measured: {reason}")
    for path in PATHS:
        for control in [None, *sorted(networks.kernel_controls())]:
            rounds = [measure(arguments.programs, path, control, arguments.seconds) for _ in range(arguments.rounds)]
            ours, theirs, delay = map(statistics.median, zip(*rounds))
            name = "{rate} Mbit/s  {trip} ms  queue {queue} BDP".format(**path)
            beside = f"{control} {theirs:4.2f} MB/s" if control else "alone"
            print(f"{name}  ours {ours:4.2f} MB/s, {beside}, queue {delay:4.1f} ms", flush=True)


if __name__ == "__main__":
    main()
