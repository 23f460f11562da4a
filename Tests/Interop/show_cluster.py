"""Three servers as one, before your eyes: what `make cluster` shows."""

import argparse
import contextlib
import hashlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from cluster import Cluster
from processes import running


class Show:
    """What is seen: one line a change in a pipe, a table that is drawn anew on a terminal."""

    def __init__(self):
        self.began = time.monotonic()
        self.drawn = 0

    def say(self, text):
        self._clear()
        print(f"{time.monotonic() - self.began:6.1f} s  {text}", flush=True)

    def _clear(self):
        if self.drawn:
            print(f"\x1b[{self.drawn}F\x1b[J", end="")
            self.drawn = 0

    def draw(self, lines):
        if not sys.stdout.isatty():
            return
        self._clear()
        print("\n".join(lines), flush=True)
        self.drawn = len(lines)


def table(cluster, victim, viewers, sent):
    """Each server by what another one knows of it, and how far the viewers are."""
    alive = next(node for node in cluster.nodes if node is not victim)
    status = alive.status()
    rows = {row["name"]: row for row in status["cluster"]["nodes"]} if status else {}
    lines = ["", "  server   slots  sockets  trees"]
    for node in cluster.nodes:
        row = rows.get(node.name)
        if node is victim or row is None:
            lines.append(f"  {node.name}    dead")
        else:
            lines.append(f"  {node.name} {row['slots']:>7} {row['clients'] or 0:>8} {row['trees'] or 0:>6}")
    got = [size(path) for _, path in viewers]
    bar = "".join("█" if count >= sent else "▓" if count > sent * 0.95 else "░" for count in got)
    lines.append(f"  {len(got)} viewers {bar}  {min(got) / 1e6:.1f} to {max(got) / 1e6:.1f} of {sent / 1e6:.1f} MB")
    return lines


def size(path):
    return next((file.stat().st_size for file in [path, Path(f"{path}.part")] if file.exists()), 0)


class Source:
    """Random bytes at a steady rate into a pipe."""

    def __init__(self, pipe, rate, seconds):
        self.sent, self.hash = 0, hashlib.sha256()
        self.thread = threading.Thread(target=self._write, args=(pipe, rate, seconds), daemon=True)
        self.thread.start()

    def _write(self, pipe, rate, seconds):
        with pipe:
            for _ in range(round(seconds * 10)):
                piece = os.urandom(rate // 10)
                pipe.write(piece)
                pipe.flush()
                self.hash.update(piece)
                self.sent += len(piece)
                time.sleep(0.1)


def run(options, folder, stack):
    show = Show()
    cluster = Cluster(options.peer_tree, folder, stack)
    show.say(f"an etcd at {cluster.etcd.address}, and three servers: " + ", ".join(n.address for n in cluster.nodes))
    all_servers = ",".join(node.address for node in cluster.nodes)
    source = stack.enter_context(
        running(
            options.peer_tree, "broadcast", "-", "--server", all_servers, "--json", "--viewers", options.viewers,
            stdin=subprocess.PIPE,
        )
    )  # fmt: skip
    tree = source.event("link")["tree"]
    owner = cluster.owner()
    viewers = []
    for number in range(options.viewers):
        path = folder / f"viewer{number}"
        link = f"{cluster.nodes[number % 3].address}/watch/{tree}"
        watch = [options.peer_tree, "watch", link, "--server", all_servers, "-o", path, "--json"]
        viewers.append((stack.enter_context(running(*watch)), path))
    for viewer, _ in viewers:
        viewer.event("connect")
    show.say(f"{options.viewers} viewers, at all three; the tree is {owner.name}'s")
    stream = Source(source.process.stdin, options.rate, options.seconds)
    victim, killed, told = None, None, False
    while stream.thread.is_alive():
        if victim is None and stream.sent >= options.rate * options.seconds / 4:
            owner.kill()
            victim, killed = owner, time.monotonic()
            show.say(f"{owner.name} is killed")
        heir = next((node for node in cluster.nodes if node is not victim and node.has_tree()), None) if victim else None
        if heir and not told:
            told = True
            show.say(f"the tree is {heir.name}'s, {time.monotonic() - killed:.1f} s after")
        show.draw(table(cluster, victim, viewers, stream.sent))
        time.sleep(0.2)
    codes = [viewer.wait(60) for viewer, _ in viewers]
    wanted = stream.hash.hexdigest()
    equal = sum(hashlib.sha256(path.read_bytes()).hexdigest() == wanted for _, path in viewers if path.exists())
    show.say(f"{stream.sent} bytes sent, SHA-256 {wanted[:16]}…: {equal} of {len(viewers)} viewers have the same")
    return 0 if equal == len(viewers) and set(codes) == {0} and told else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer-tree", required=True)
    parser.add_argument("--viewers", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=24)
    parser.add_argument("--rate", type=int, default=200_000, help="bytes a second")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        sys.exit(run(options, Path(folder), stack))


main()
