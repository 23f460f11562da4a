"""Trees of real `peer-tree` processes for the benchmarks."""

import contextlib
import json
import subprocess


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
