"""Two peers of ours in the lab. Their signalling goes through this process: it needs no network."""

import contextlib
import json
import subprocess
import threading
import time

import processes


class Peer:
    """A `webrtc-interop nat-peer`. What it signals goes to `other` by itself, as long as `signals` is true."""

    def __init__(self, lab, side, program, *options):
        command = [*lab.enter(side), program, "nat-peer", *options]
        self.side = side
        self.process = processes.start(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
        )
        self.other = None
        self.signals = True
        # Changes what it signals on the way.
        self.rewrite = lambda text: text
        self.events = []
        self.taken = {}
        self.changed = threading.Condition()
        for read in (self._read, self._read_errors):
            threading.Thread(target=read, daemon=True).start()
        self.errors = []

    def _read(self):
        for line in self.process.stdout:
            event = json.loads(line)
            if self.signals and self.other:
                if event["event"] == "description":
                    self.other.command("remote", type=event["type"], sdp=self.rewrite(event["sdp"]))
                if event["event"] == "candidate":
                    self.other.command("candidate", candidate=self.rewrite(event["candidate"]))
            with self.changed:
                self.events.append((time.monotonic(), event))
                self.changed.notify_all()

    def _read_errors(self):
        for line in self.process.stderr:
            self.errors.append(line.rstrip())

    def command(self, name, **arguments):
        try:
            self.process.stdin.write(json.dumps({"cmd": name, **arguments}) + "\n")
            self.process.stdin.flush()
        except (BrokenPipeError, ValueError):
            pass  # It has ended: whoever waits for one of its events says so.

    def event(self, name, timeout=25, **members):
        """The next event of this name, not looked at before, that has these members."""
        end = time.monotonic() + timeout
        with self.changed:
            while True:
                start = self.taken.get(name, 0)
                for position in range(start, len(self.events)):
                    event = self.events[position][1]
                    if event["event"] == name and all(event.get(key) == value for key, value in members.items()):
                        self.taken[name] = position + 1
                        return event
                if not self.changed.wait(end - time.monotonic()):
                    told = [event for _, event in self.events if event["event"] != "description"]
                    raise AssertionError(
                        f"peer {self.side} told of no {name} {members} in {timeout} s; it told {told}, "
                        f"stderr {self.errors}"
                    )

    def all(self, name):
        with self.changed:
            return [event for _, event in self.events if event["event"] == name]

    def pair(self):
        self.command("pair")
        return self.event("pair")

    def stop(self):
        if self.process.poll() is None:
            self.process.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(5)
        processes.end(self.process)


def connect(a, b):
    """Lets `a` offer, and waits until the channel is open at both ends."""
    a.other, b.other = b, a
    a.command("offer")
    a.event("open")
    b.event("open")


def check_stream(a, b, meanwhile=None, messages=200):
    """Both send numbered messages at once; every one arrives, in order."""
    for peer in (a, b):
        peer.command("stream", interval=5)
    if meanwhile:
        meanwhile()
    for peer in (a, b):
        peer.event("received", count=messages)
    for sender, receiver in ((a, b), (b, a)):
        sender.command("stop")
        count = sender.event("stopped")["count"]
        receiver.event("received", count=count)
        assert receiver.all("missing") == []
        assert sender.all("error") == []
