"""Trees of real `peer-tree` processes for the benchmarks."""

import contextlib
import json
import os
import subprocess
import time


class Viewer:
    """A `peer-tree watch` that throws away what it receives."""

    def __init__(self, program, link, children):
        command = [program, "watch", link, "--output", "/dev/null", "--json", "--children", str(children)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)

    def event(self, name):
        """The next event of that name; others before it are passed over."""
        for line in self.process.stdout:
            value = json.loads(line)
            if value["event"] == name:
                return value
        raise SystemExit(f"a viewer ended without '{name}'")


@contextlib.contextmanager
def server(program, k, k1):
    """The address of a `peer-tree serve`."""
    command = [program, "serve", "--port", "0", "--k", str(k), "--k1", str(k1), "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
    try:
        yield f"http://127.0.0.1:{json.loads(process.stdout.readline())['port']}"
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def chain(program, hops, *flags):
    """A source with its standard input, and viewers one below the other, all of them fed; gone once the source's input is
    over."""
    with server(program, k=1, k1=1) as address:
        command = [program, "broadcast", "-", "--server", address, "--k1", "1", "--viewers", str(hops), "--json", *flags]
        source = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        link = json.loads(source.stdout.readline())["link"]
        viewers = []
        for _ in range(hops):
            viewers.append(Viewer(program, link, 1))
            viewers[-1].event("connect")
        time.sleep(1.2)  # Until the source has heard of the last viewer: the server tells once a second.
        yield source, viewers
        for process in [source, *(viewer.process for viewer in viewers)]:
            process.wait(30)


def write(source, size, count, interval):
    """Gives the source that many messages of random bytes, that many seconds apart."""
    message = os.urandom(size)
    for _ in range(count):
        source.stdin.write(message)
        time.sleep(interval)
