#!/usr/bin/env python3
"""Lossy links between browsers: messages of 10 KB, thirty a second (2.5 Mbit/s), a join point every two seconds, from one page
in Chromium through nine others, each in a host of its own (`Tests/Nat/bottleneck.py`); every link takes 50 ms for a round trip
and loses 1 % of the packets. The stream goes over one stripe, then over four and one of parity. Linux and root only.

    .venv/bin/python Benchmarks/lossy_pages.py --programs .build/release [--seconds 30] [--loss 1] [--trip 50]

Printed are, for the pages at each distance from the source (the most hops that any of their stripes takes): the lag from
`write` to the `data` event, the longest time without a message, and how many never came, since they were skipped.
"""

import argparse
import contextlib
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "Tests" / name) for name in ("Nat", "Browser", "Interop")]

import bottleneck as networks  # noqa: E402
import lab  # noqa: E402
from processes import running  # noqa: E402
from scene import CHROMIUM_FLAGS, percentile  # noqa: E402

RATE = 30
PAGES = 9
WARM_UP = 5


@dataclass
class Layout:
    """How the stream is dealt, and how many children the source and each page serve: so few that the tree is deep."""

    name: str
    stripes: int
    parity: int
    source: int
    pages: list


# The source has four slots in each of five stripes, so that most pages are within two hops there.
LAYOUTS = [Layout("one stripe", 1, 0, 2, [2] * PAGES), Layout("4 + 1", 5, 1, 5, [2] * PAGES)]

SOURCE = """async ([rate, options]) => {
  window.client = new PeerTreeClient(location.origin, { policy: 'live', ...options });
  const tree = await client.create();
  let number = 0;
  setInterval(() => {
    const message = new Float64Array(1250);
    message.set([number, performance.timeOrigin + performance.now()]);
    client.write(message, { joinPoint: number % (2 * rate) === 0 });
    number += 1;
  }, 1000 / rate);
  return tree;
}"""
VIEWER = """async ([tree, options]) => {
  window.client = new PeerTreeClient(location.origin, options);
  window.came = [];
  const linked = new Promise((resolve) => client.once('connect', resolve));
  client.on('data', (data) => {
    const [number, sent] = new Float64Array(data.buffer.slice(data.byteOffset, data.byteOffset + 16));
    came.push([number, sent, performance.timeOrigin + performance.now()]);
  });
  await client.connect(tree);
  await linked;
}"""
STATUS = "(tree) => fetch(`/status?tree=${tree}`).then((answer) => answer.json())"


def hops(status, label):
    """The most hops that any stripe takes to a viewer."""
    parents = {peer["peer"]: peer["parents"] for peer in status["peers"]}

    def depth(label, stripe):
        count = 0
        while label != status["source"]:
            count, label = count + 1, parents[label][stripe]
        return count

    return max(depth(label, stripe) for stripe in range(status["stripes"]))


class Scene:
    """The source and its viewers, each a Chromium on a host of its own."""

    def __init__(self, network, playwright, stack, programs):
        self.network, self.playwright, self.stack, self.programs = network, playwright, stack, programs
        self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        self.hosts = iter(network.addresses)
        self.pages = []

    def serve(self, layout):
        self.host = next(self.hosts)
        address = self.network.addresses[self.host]
        command = [*self.network.enter(self.host), self.programs / "peer-tree", "serve", "--host", address, "--port", 0]
        command += ["--k", 2, "--k1", layout.source, "--json"]
        server = self.stack.enter_context(running(*command))
        self.url = f"http://{address}:{server.event('listening')['port']}"

    def page(self, host):
        path = shutil.which("chromium-headless-shell") or shutil.which("chromium")
        if not path:
            sys.exit("Chromium is not installed: Scripts/bootstrap bench")
        program = self.network.wrapped(host, path, self.folder)
        browser = self.playwright.chromium.launch(executable_path=program, args=CHROMIUM_FLAGS)
        self.stack.callback(browser.close)
        page = browser.new_page()
        page.goto(f"{self.url}/healthz")
        page.set_content('<!doctype html><script src="/peer-tree-client.js"></script>')
        page.wait_for_function("() => globalThis.PeerTreeClient")
        return page

    def open(self, layout):
        self.serve(layout)
        self.source = self.page(self.host)
        options = {"stripes": layout.stripes, "parity": layout.parity}
        self.tree = self.source.evaluate(SOURCE, [RATE, options])
        for capacity in layout.pages:
            known = self.labels()
            page = self.page(next(self.hosts))
            page.evaluate(VIEWER, [self.tree, {"capacity": capacity}])
            (label,) = self.labels() - known
            self.pages.append((label, page))

    def status(self):
        return self.source.evaluate(STATUS, self.tree)

    def labels(self):
        return {peer["peer"] for peer in self.status()["peers"]}

    def watch(self, seconds):
        """What came to each page in so many seconds, and how many hops away it was then."""
        time.sleep(WARM_UP)
        for _, page in self.pages:
            page.evaluate("() => { came.length = 0; }")
        time.sleep(seconds)
        status = self.status()
        return [(hops(status, label), page.evaluate("came")) for label, page in self.pages]


def measure(programs, layout, seconds, **conditions):
    """What came to each page of the tree."""
    hosts = [f"host{number}" for number in range(1 + len(layout.pages))]
    with (
        networks.bottleneck(programs / "path-emulator", hosts, **conditions) as network,
        sync_playwright() as playwright,
        contextlib.ExitStack() as stack,
    ):
        scene = Scene(network, playwright, stack, programs)
        scene.open(layout)
        return scene.watch(seconds)


def describe(came):
    """Of the messages of several pages: their lags, the longest time without one, and how many are missing."""
    lags = [at - sent for messages in came for _, sent, at in messages]
    pauses = [later[2] - earlier[2] for messages in came for earlier, later in zip(messages, messages[1:])]
    spans = [(messages[-1][0] - messages[0][0] + 1, len(messages)) for messages in came]
    missing, written = sum(span - count for span, count in spans), sum(span for span, _ in spans)
    return (f"lag p50 {percentile(lags, 0.5):.0f}, p99 {percentile(lags, 0.99):.0f}, most {max(lags):.0f} ms; "
            f"longest pause {max(pauses):.0f} ms; {missing:.0f} of {written:.0f} messages missing")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    programs = "the folder with path-emulator and peer-tree; dist must be built"
    parser.add_argument("--programs", type=Path, required=True, help=programs)
    parser.add_argument("--seconds", type=float, default=30, help="of each measurement (default: 30)")
    parser.add_argument("--loss", type=float, default=1, help="percent, in each direction (default: 1)")
    parser.add_argument("--trip", type=float, default=50, help="milliseconds (default: 50)")
    parser.add_argument("--only", default="", help="a layout by its name")
    arguments = parser.parse_args()
    if reason := lab.why_not() or networks.why_not():
        return print(f"Not measured: {reason}")
    for layout in [layout for layout in LAYOUTS if arguments.only in layout.name]:
        conditions = {"loss": arguments.loss, "trip": arguments.trip}
        measured = measure(arguments.programs.resolve(), layout, arguments.seconds, **conditions)
        for distance in sorted({distance for distance, _ in measured}):
            came = [messages for hops, messages in measured if hops == distance and messages]
            print(f"{layout.name}, {distance} hops, {len(came)} pages: {describe(came)}", flush=True)


if __name__ == "__main__":
    main()
