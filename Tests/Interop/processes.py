"""The one place where tests start programs: each in a group of its own, which ends when its owner lets go of it.

`run` waits for a program, `running` gives one that lasts as long as a block: that of a test or of a fixture. What gets
away all the same, or is left by a test process that was killed, is ended by Scripts/supervise around the tests.
"""

import contextlib
import json
import os
import queue
import signal
import socket
import subprocess
import threading
import time


def start(command, **options):
    """Starts a program in a group of its own; whoever calls this also calls `end`."""
    return subprocess.Popen([str(part) for part in command], start_new_session=True, **options)


def end(process):
    """Kills what still runs of a program and of its group."""
    end_group(process.pid)
    process.wait(10)


def end_group(number):
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(number, signal.SIGKILL)


def run(command, timeout, input=None, check=False, **options):
    """Runs a program to its end, as subprocess.run does; what it leaves behind in its group is ended with it."""
    if input is not None:
        options["stdin"] = subprocess.PIPE
    if options.pop("capture_output", False):
        options.update(stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with start(command, **options) as process:
        try:
            output, errors = process.communicate(input, timeout=timeout)
        finally:
            end(process)
    done = subprocess.CompletedProcess(process.args, process.returncode, output, errors)
    if check:
        assert done.returncode == 0, f"{done.args} ended with {done.returncode}: {done.stderr}"
    return done


@contextlib.contextmanager
def own_port():
    """A port that stays the test's own while its server is away: bound, but not listened on. A port that was let go is
    soon another test's, or that of an outgoing connection."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


class Running:
    """A process whose standard output can be awaited line by line."""

    def __init__(self, command, **options):
        self.command = [str(part) for part in command]
        options.setdefault("stdin", subprocess.DEVNULL)
        self.process = start(self.command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
        self.errors = []
        self.lines = queue.Queue()
        self.readers = [
            threading.Thread(target=self._read, args=(self.process.stdout, self.lines.put), daemon=True),
            threading.Thread(target=self._read, args=(self.process.stderr, self.errors.append), daemon=True),
        ]
        for reader in self.readers:
            reader.start()

    @staticmethod
    def _read(stream, deliver):
        for line in stream:
            deliver(line.decode(errors="replace").rstrip("\n"))
        deliver(None)

    def line(self, timeout=30):
        """The next line of standard output."""
        try:
            line = self.lines.get(timeout=timeout)
        except queue.Empty:
            raise AssertionError(f"{self.command} printed nothing for {timeout} s; stderr: {self.errors}") from None
        assert line is not None, f"{self.command} ended; stderr: {self.errors}"
        return line

    def event(self, name, timeout=30):
        """The next JSON line whose event is NAME; others before it are passed over."""
        end = time.monotonic() + timeout
        while True:
            value = json.loads(self.line(max(0.1, end - time.monotonic())))
            if value.get("event") == name:
                return value

    def wait(self, timeout=60):
        """The exit code."""
        code = self.process.wait(timeout)
        for reader in self.readers:
            reader.join(5)
        return code

    def signal(self, number):
        self.process.send_signal(number)

    @property
    def error_text(self):
        return "\n".join(line for line in self.errors if line is not None)


@contextlib.contextmanager
def running(*command, **options):
    """Runs a program; it is killed at the end of the block if it still runs, and its group with it."""
    started = Running(command, **options)
    try:
        yield started
    finally:
        end(started.process)
