"""What the death of viewers costs the others: real `peer-tree` processes on the loopback, 30 messages of 10 KB a second.

    python3 Benchmarks/deaths.py --peer-tree PROGRAM [--standbys on|off] [--stripes S --parity P] [--unsigned] [kills] [churn] [costs]

- `kills`: of 20 viewers one is killed every two seconds and replaced; how late the worst of the others gets a message
  within the second after that.
- `churn`: of 40 viewers one is killed every half a second for 30 s, and replaced; how late the others get messages.
- `costs`: of 20 viewers nobody dies. Processor time of all processes, and bytes on the loopback, a second, with the stream
  and without one. Bytes are to be read in a network namespace of its own, since they are everybody's:
  `unshare -rn sh -c 'ip link set lo up; exec python3 Benchmarks/deaths.py …'`. Compare with `--standbys off`.

With `--parity 0` or `1` the stream is a live one, in so many stripes; else it is lossless, in one. Newcomers begin with all
that was sent, since there are no key frames: of a signed stream, which they check all of, they keep two cores busy.

Every byte that comes is compared with what was sent. A viewer counts from three seconds after its first byte on, and once it
has had everything: it begins with what its parent still holds, which is as old as the run. The lag of
a message is the time from the source's `write` to its last byte at the reader of the viewer's output.
"""

import argparse
import contextlib
import json
import os
import random
import selectors
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "Tests" / "Interop"))

import processes  # noqa: E402

SIZE = 10_000
RATE = 30
NEWCOMER = 3


class Stream:
    """What the source sends, and when."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.sent = bytearray()
        self.times = []

    def feed(self, pipe, is_over, is_paused):
        begin = time.monotonic()
        with pipe:
            while not is_over.wait(max(0, begin + len(self.times) / RATE - time.monotonic())):
                if is_paused.is_set():
                    is_over.wait()
                    return
                piece = self.random.randbytes(SIZE)
                self.sent += piece
                self.times.append(time.monotonic())
                pipe.write(piece)
                pipe.flush()


class Loss(Exception):
    """What may not be."""


class Viewer:
    def __init__(self, command):
        self.process = processes.start(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        os.set_blocking(self.process.stdout.fileno(), False)
        self.position = None
        self.began = None
        self.has_caught_up = False
        self.came = time.monotonic()

    def read(self, stream, now):
        """Takes what has come, and returns the lags of the messages that are whole by that."""
        data = self.process.stdout.read(1 << 20)
        if not data:
            if data is not None:
                raise SystemExit("a viewer has ended")
            return []
        if self.position is None:
            self.position, self.began = stream.sent.find(data), now
            if self.position < 0:
                raise SystemExit("a viewer began with bytes that were never sent")
        elif stream.sent[self.position : self.position + len(data)] != data:
            found = stream.sent.find(data[:SIZE], self.position)
            raise Loss(f"a viewer lost or changed something at byte {self.position}: {found - self.position} bytes on")
        first = self.position // SIZE
        self.position += len(data)
        if not self.has_caught_up:
            self.has_caught_up = self.position >= len(stream.sent) - SIZE
            return []
        if now < self.began + NEWCOMER:
            return []
        return [now - stream.times[number] for number in range(first, self.position // SIZE)]


class Crowd:
    def __init__(self, options, stack, viewers):
        self.stream = Stream(options.seed)
        self.random = random.Random(options.seed)
        self.selector = selectors.DefaultSelector()
        self.viewers = []
        serve = ["serve", "--port", 0, "--k", 3, "--k1", 3, "--standbys", options.standbys, "--json"]
        serve += ["--joins-per-second-per-address", 1000, "--join-burst-per-address", 1000]
        server = stack.enter_context(processes.running(options.peer_tree, *serve))
        self.others = [server.process]
        url = f"http://127.0.0.1:{server.event('listening')['port']}"
        command = [options.peer_tree, "broadcast", "-", "--raw", "--server", url, "--json"]
        if options.parity is not None:
            command += ["--live", "--join-every", 1, "--stripes", options.stripes, "--parity", options.parity]
        if options.unsigned:
            command.append("--unsigned")
        source = stack.enter_context(processes.running(*command, stdin=subprocess.PIPE))
        self.others.append(source.process)
        self.command = [options.peer_tree, "watch", source.event("link")["link"]]
        self.is_over = threading.Event()
        self.is_paused = threading.Event()
        arguments = (source.process.stdin, self.is_over, self.is_paused)
        self.feeder = threading.Thread(target=self.stream.feed, args=arguments, daemon=True)
        self.feeder.start()
        stack.callback(self.close)
        for _ in range(viewers):
            self.add()
            self.watch(0.15)
        self.watch(NEWCOMER + 2)

    def add(self):
        viewer = Viewer(self.command)
        self.viewers.append(viewer)
        self.selector.register(viewer.process.stdout, selectors.EVENT_READ, viewer)

    def remove(self, viewer):
        self.selector.unregister(viewer.process.stdout)
        self.viewers.remove(viewer)
        viewer.process.kill()
        processes.end(viewer.process)
        viewer.process.stdout.close()

    def kill(self):
        """Kills one of those that are no newcomers, and lets another one come."""
        now = time.monotonic()
        self.remove(self.random.choice([viewer for viewer in self.viewers if viewer.began and now > viewer.began + NEWCOMER]))
        self.add()

    def watch(self, span):
        """Reads for so long, and returns the lags of all messages that came."""
        lags = []
        end = time.monotonic() + span
        while (now := time.monotonic()) < end:
            for key, _ in self.selector.select(end - now):
                lags += key.data.read(self.stream, time.monotonic())
        return lags

    def processor_time(self):
        """Seconds that all processes have had."""
        ticks = 0
        for process in self.others + [viewer.process for viewer in self.viewers]:
            fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def everybody_is_whole(self, limit=5):
        """Waits until everyone has what was written until now."""
        end, length = time.monotonic() + limit, len(self.stream.sent)
        while any((viewer.position or 0) < length for viewer in self.viewers):
            if (now := time.monotonic()) > end:
                lacks = [
                    f"{length - (viewer.position or 0)} bytes after {now - viewer.came:.1f} s"
                    for viewer in self.viewers
                    if (viewer.position or 0) < length
                ]
                raise SystemExit(f"after {limit} s not everyone is whole: {lacks}")
            self.watch(0.05)

    def close(self):
        self.is_over.set()
        for viewer in list(self.viewers):
            self.remove(viewer)


def milliseconds(values, *shares):
    values = sorted(values)
    return [round(1000 * values[min(len(values) - 1, int(share * len(values)))]) for share in shares]


def kills(options, stack):
    crowd = Crowd(options, stack, 20)
    quiet = crowd.watch(3)
    worst = []
    for _ in range(options.kills):
        crowd.kill()
        # Nobody got anything: a second and more.
        worst.append(max(crowd.watch(1), default=1))
        crowd.watch(1)
    crowd.everybody_is_whole()
    return {
        "without_deaths_ms": dict(zip(["p50", "p99", "max"], milliseconds(quiet, 0.5, 0.99, 1))),
        "worst_after_a_kill_ms": dict(zip(["p50", "p95", "max"], milliseconds(worst, 0.5, 0.95, 1))),
        "kills": len(worst),
    }


def churn(options, stack):
    crowd = Crowd(options, stack, 40)
    lags = []
    end = time.monotonic() + 30
    count = 0
    while time.monotonic() < end:
        crowd.kill()
        count += 1
        lags += crowd.watch(0.5)
    crowd.everybody_is_whole()
    return {
        "lag_ms": dict(zip(["p50", "p90", "p99", "max"], milliseconds(lags, 0.5, 0.9, 0.99, 1))),
        "kills": count,
        "messages": len(lags),
        "bytes_lost": 0,
    }


def loopback_bytes():
    line = next(line for line in Path("/proc/net/dev").read_text().splitlines() if line.strip().startswith("lo:"))
    return int(line.split()[1])


def spending(crowd, span):
    """What everybody spends in so many seconds, a second."""
    begin, processor, sent = time.monotonic(), crowd.processor_time(), loopback_bytes()
    crowd.watch(span)
    passed = time.monotonic() - begin
    return {
        "processor_percent": round(100 * (crowd.processor_time() - processor) / passed, 1),
        "loopback_bytes_a_second": round((loopback_bytes() - sent) / passed),
    }


def costs(options, stack):
    crowd = Crowd(options, stack, 20)
    crowd.watch(3)
    streaming = spending(crowd, options.seconds)
    crowd.is_paused.set()
    crowd.watch(3)
    return {"streaming": streaming, "idle": spending(crowd, options.seconds)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("what", nargs="*", choices=["kills", "churn", "costs", []])
    parser.add_argument("--peer-tree", required=True)
    parser.add_argument("--standbys", choices=["on", "off"], default="on")
    parser.add_argument("--stripes", type=int, default=1)
    parser.add_argument("--parity", type=int, choices=[0, 1])
    parser.add_argument("--unsigned", action="store_true")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seconds", type=int, default=20, help="how long costs are counted")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    for name in options.what or ["kills", "churn"]:
        with contextlib.ExitStack() as stack:
            result = globals()[name](options, stack)
        load = os.getloadavg()[0]
        ways = {"standbys": options.standbys, "stripes": options.stripes, "parity": options.parity}
        print(json.dumps({"what": name, **ways, "load": round(load, 1), **result}), flush=True)


if __name__ == "__main__":
    main()
