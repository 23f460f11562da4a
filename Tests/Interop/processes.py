"""Programs of ours that run while a test does: started, watched line by line, always ended."""

import contextlib
import json
import queue
import signal
import subprocess
import threading
import time


class Running:
    """A process whose standard output can be awaited line by line."""

    def __init__(self, command, **options):
        self.command = [str(part) for part in command]
        options.setdefault("stdin", subprocess.DEVNULL)
        self.process = subprocess.Popen(
            self.command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options
        )
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
    """Runs a program; it is killed at the end of the block if it still runs."""
    started = Running(command, **options)
    try:
        yield started
    finally:
        if started.process.poll() is None:
            started.signal(signal.SIGKILL)
        started.process.wait(10)
