"""Real viewers that are killed, come back, and are stopped for a while; a server that is killed once. Nothing may be lost.

Each viewer's bytes are compared with what the source sent, from the first one that it got on. Who is not killed has to
get everything to the end. Pauses are printed, not judged: they are those of this machine.
"""

import argparse
import contextlib
import os
import random
import selectors
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "Interop"))

import processes  # noqa: E402

PIECES_PER_SECOND = 20


class Stream:
    """What the source sends: random bytes, at an even rate."""

    def __init__(self, rate, seed):
        self.random = random.Random(seed)
        self.piece = rate // PIECES_PER_SECOND
        self.sent = bytearray()

    def feed(self, pipe, is_over):
        with pipe:
            while not is_over.wait(1 / PIECES_PER_SECOND):
                piece = self.random.randbytes(self.piece)
                self.sent += piece
                pipe.write(piece)
                pipe.flush()


class Viewer:
    """A `peer-tree watch` whose output is checked as it comes."""

    def __init__(self, number, command):
        self.number = number
        self.process = processes.start(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        os.set_blocking(self.process.stdout.fileno(), False)
        self.position = None
        self.last = None
        self.pauses = []
        self.is_over = False
        # Until when it is stopped; a pause of its own making is not the tree's.
        self.stopped_until = None
        self.resumed = None

    def read(self, sent, now):
        """Takes what has come; says what is wrong with it."""
        data = self.process.stdout.read(1 << 20)
        if data is None:
            return None
        if not data:
            self.is_over = True
            return None
        if self.position is None:
            self.position = sent.find(data)
            if self.position < 0:
                return "began with bytes that were never sent"
        elif sent[self.position : self.position + len(data)] != data:
            return f"lost or changed something at byte {self.position}"
        self.position += len(data)
        if self.last is not None and self.resumed is None:
            self.pauses.append(now - self.last)
        self.last, self.resumed = now, None
        return None

    def stop(self, until):
        self.process.send_signal(signal.SIGSTOP)
        self.stopped_until = until

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)
        self.stopped_until, self.resumed = None, True

    def end(self):
        """What it said on standard error; it is gone afterwards."""
        processes.end(self.process)
        text = self.process.stderr.read().decode(errors="replace").strip()
        self.process.stdout.close()
        self.process.stderr.close()
        return text


class Chaos:
    def __init__(self, arguments, stack, folder):
        self.arguments = arguments
        self.stack = stack
        self.random = random.Random(arguments.seed)
        self.stream = Stream(arguments.rate, arguments.seed)
        self.selector = selectors.DefaultSelector()
        self.viewers = []
        self.count = 0
        self.findings = []
        self.pauses = []
        self.kills = self.stops = 0
        self.port = stack.enter_context(processes.own_port())
        self.serve = [arguments.peer_tree, "serve", "--port", self.port, "--state-key", folder / "key", "--json"]
        # All viewers come from one address.
        self.serve += ["--joins-per-second-per-address", 1000, "--join-burst-per-address", 1000]
        self.start_server()

    def start_server(self):
        self.server = self.stack.enter_context(processes.running(*self.serve))
        self.server.event("listening")

    def start_source(self):
        server = f"http://127.0.0.1:{self.port}"
        command = [self.arguments.peer_tree, "broadcast", "-", "--raw", "--server", server, "--json"]
        self.source = self.stack.enter_context(processes.running(*command, stdin=subprocess.PIPE))
        self.link = self.source.event("link")["link"]
        self.is_over = threading.Event()
        self.feeder = threading.Thread(
            target=self.stream.feed, args=(self.source.process.stdin, self.is_over), daemon=True
        )
        self.feeder.start()

    def add_viewer(self):
        viewer = Viewer(self.count, [self.arguments.peer_tree, "watch", self.link])
        self.count += 1
        self.viewers.append(viewer)
        self.selector.register(viewer.process.stdout, selectors.EVENT_READ, viewer)

    def remove(self, viewer):
        self.selector.unregister(viewer.process.stdout)
        self.viewers.remove(viewer)
        self.pauses += viewer.pauses
        return viewer.end()

    def watch(self, until):
        """Reads what comes until a time, and wakes who has been stopped for long enough."""
        while (now := time.monotonic()) < until:
            for key, _ in self.selector.select(min(until - now, 0.05)):
                viewer = key.data
                wrong = viewer.read(self.stream.sent, time.monotonic())
                if wrong:
                    self.findings.append(f"viewer {viewer.number} {wrong}")
                if wrong or viewer.is_over:
                    self.finish(viewer)
            for viewer in self.viewers:
                if viewer.stopped_until and now > viewer.stopped_until:
                    viewer.go_on()

    def finish(self, viewer):
        """A viewer has ended by itself: all is well if the stream is over and it has all of it."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            viewer.process.wait(5)
        said = self.remove(viewer)
        code = viewer.process.returncode
        if code != 0:
            self.findings.append(f"viewer {viewer.number} ended with {code}: {said}")
        elif not self.is_over.is_set() or viewer.position != len(self.stream.sent):
            self.findings.append(f"viewer {viewer.number} ended at byte {viewer.position} of {len(self.stream.sent)}")

    def strike(self):
        """Kills a viewer, or stops it for a while."""
        fed = [viewer for viewer in self.viewers if viewer.position is not None and not viewer.stopped_until]
        if not fed:
            return
        victim = self.random.choice(fed)
        if self.random.random() < self.arguments.stops:
            self.stops += 1
            victim.stop(time.monotonic() + self.random.uniform(0.3, 3))
        else:
            self.kills += 1
            self.remove(victim)
            self.add_viewer()

    def run(self):
        self.start_source()
        for _ in range(self.arguments.viewers):
            self.add_viewer()
            self.watch(time.monotonic() + 0.1)
        self.await_all_fed()
        print(f"{len(self.viewers)} viewers are fed", flush=True)
        begin = time.monotonic()
        end = begin + self.arguments.seconds
        restart = begin + self.arguments.seconds / 2
        while time.monotonic() < end:
            self.watch(time.monotonic() + self.arguments.every)
            if restart and time.monotonic() > restart:
                restart = None
                self.restart_server()
            else:
                self.strike()
        self.await_all_fed()
        self.is_over.set()
        self.feeder.join()
        patience = time.monotonic() + 60
        while self.viewers and time.monotonic() < patience:
            self.watch(time.monotonic() + 0.1)
        for viewer in list(self.viewers):
            position = viewer.position
            self.findings.append(
                f"viewer {viewer.number} is not done at byte {position} of {len(self.stream.sent)}: {self.remove(viewer)}"
            )

    def restart_server(self):
        """The server is away for a second; meanwhile a viewer dies, and nobody comes: who finds no server gives up soon."""
        self.await_all_fed()
        processes.end(self.server.process)
        self.watch(time.monotonic() + 0.5)
        self.remove(self.random.choice([viewer for viewer in self.viewers if viewer.position is not None]))
        self.kills += 1
        self.watch(time.monotonic() + 0.5)
        self.start_server()
        self.add_viewer()

    def await_all_fed(self):
        end = time.monotonic() + 60
        while any(viewer.position is None or viewer.stopped_until for viewer in self.viewers):
            if time.monotonic() > end:
                for viewer in [viewer for viewer in self.viewers if viewer.position is None]:
                    self.findings.append(f"viewer {viewer.number} got nothing within 60 s: {self.remove(viewer)}")
                return
            self.watch(time.monotonic() + 0.1)

    def tell(self):
        pauses = sorted(self.pauses)
        print(
            f"{self.kills} kills, {self.stops} stops, 1 restart of the server; {len(self.stream.sent)} bytes sent; "
            f"{sum(pause > 0.5 for pause in pauses)} pauses above 0.5 s, {sum(pause > 1 for pause in pauses)} above 1 s, "
            f"the longest {pauses[-1]:.2f} s" if pauses else "nobody was fed"
        )
        for finding in self.findings:
            print(finding)
        print("nothing was lost" if not self.findings else f"{len(self.findings)} findings, seed {self.arguments.seed}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--peer-tree", required=True, help="the program")
    parser.add_argument("--viewers", type=int, default=60, help="viewers at any time (default: 60)")
    parser.add_argument("--seconds", type=float, default=60, help="how long (default: 60)")
    parser.add_argument("--every", type=float, default=0.3, help="seconds between two accidents (default: 0.3)")
    parser.add_argument("--stops", type=float, default=0.2, help="share of accidents that only stop one (default: 0.2)")
    parser.add_argument("--rate", type=int, default=40_000, help="bytes per second (default: 40000)")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32), help="(default: random)")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        chaos = Chaos(arguments, stack, Path(folder))
        try:
            chaos.run()
        finally:
            for viewer in list(chaos.viewers):
                chaos.remove(viewer)
        chaos.tell()
    sys.exit(1 if chaos.findings or chaos.kills == 0 else 0)


if __name__ == "__main__":
    main()
