#!/usr/bin/env python3
"""What a hop through a browser costs, adds and loses: encoded frames over data channels (ours) beside `addTrack`, which
decodes and encodes again at every hop. The same moving picture, 640x360 at 30 fps, VP8 at 800 kbit/s, in Chromium.

CPU is that of all processes of a Chromium in which only the relay runs, above what the same page costs without a stream.
"""

import argparse
import asyncio
import json
import os
import secrets
import shutil
import statistics
import sys
from pathlib import Path

from browser_scene import ADD_TRACK, SCENE
from playwright.async_api import async_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "Tests" / "Browser"), str(ROOT / "Tests" / "Interop")]

from processes import running  # noqa: E402
from scene import CHROMIUM_FLAGS, percentile  # noqa: E402

TICKS = os.sysconf("SC_CLK_TCK")
WARM_UP = 6

BROADCAST = """async () => {
  window.client = new PeerTreeClient(location.origin);
  const video = { bitrate: 800_000, framerate: 30, keyFrameInterval: 2, codec: 'vp8' };
  return client.broadcast(capture(), { video }).started;
}"""
CONNECT = """async ([tree, delivers]) => {
  window.client = new PeerTreeClient(location.origin, { delivers });
  const linked = new Promise((resolve) => client.once('connect', resolve));
  if (delivers) client.on('stream', display);
  await client.connect(tree);
  await linked;
}"""


class Browser:
    """A Chromium whose processes are known."""

    def __init__(self, playwright):
        self.playwright = playwright
        self.mark = f"--peer-tree-bench={secrets.token_hex(8)}"

    async def __aenter__(self):
        path = shutil.which("chromium-headless-shell") or shutil.which("chromium")
        if not path:
            sys.exit("Chromium is not installed: Scripts/bootstrap bench")
        self.browser = await self.playwright.chromium.launch(executable_path=path, args=[*CHROMIUM_FLAGS, self.mark])
        return self

    async def __aexit__(self, *_):
        await self.browser.close()

    async def page(self, server):
        page = await (await self.browser.new_context()).new_page()
        await page.goto(f"{server}/healthz")
        script = '<script src="/peer-tree-client.js"></script>'
        await page.set_content(f"<!doctype html>{script}<script>{SCENE}{ADD_TRACK}</script>")
        await page.wait_for_function("() => globalThis.PeerTreeClient && globalThis.offerTo")
        return page

    def cpu_seconds(self):
        """Of all its processes so far."""
        parents, times, roots = {}, {}, set()
        for folder in Path("/proc").iterdir():
            if not folder.name.isdigit():
                continue
            try:
                fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
                command = (folder / "cmdline").read_bytes()
            except OSError:
                continue
            number = int(folder.name)
            parents[number] = int(fields[1])
            times[number] = (int(fields[11]) + int(fields[12])) / TICKS
            if self.mark.encode() in command:
                roots.add(number)

        def is_ours(number):
            while number not in roots:
                number = parents.get(number, 0)
                if number == 0:
                    return False
            return True

        return sum(time for number, time in times.items() if is_ours(number))

    async def cores(self, seconds):
        """How many cores it uses, on average over so many seconds."""
        begin = self.cpu_seconds()
        started = asyncio.get_running_loop().time()
        await asyncio.sleep(seconds)
        return (self.cpu_seconds() - begin) / (asyncio.get_running_loop().time() - started)


async def link(parent, child):
    """Makes CHILD a viewer of PARENT by addTrack."""
    number, offer = await parent.evaluate("() => offerTo()")
    answer = await child.evaluate("(offer) => answerTo(offer)", offer)
    await parent.evaluate("([number, answer]) => children[number].setRemoteDescription(answer)", [number, answer])


class Ours:
    name = "encoded frames (ours)"

    async def source(self, page):
        self.tree = await page.evaluate(BROADCAST)

    async def relay(self, parent, page):
        await page.evaluate(CONNECT, [self.tree, False])

    async def viewer(self, parent, page):
        await page.evaluate(CONNECT, [self.tree, True])


class AddTrack:
    name = "addTrack"

    async def source(self, page):
        await page.evaluate("() => { window.stream = capture(); }")

    async def relay(self, parent, page):
        await link(parent, page)

    async def viewer(self, parent, page):
        await link(parent, page)
        await page.evaluate("() => display(stream)")


async def measure_cost(playwright, serve, way, seconds):
    """Cores of a relay that only forwards: with one child, and with two."""
    with serve(k=2, k1=1) as server:
        async with Browser(playwright) as others, Browser(playwright) as alone:
            source, relay = await others.page(server), await alone.page(server)
            await asyncio.sleep(2)
            idle = await alone.cores(seconds)
            await way.source(source)
            await way.relay(source, relay)
            costs = []
            for _ in range(2):
                await way.viewer(relay, await others.page(server))
                await asyncio.sleep(WARM_UP)
                costs.append(await alone.cores(seconds) - idle)
    return {"idle": idle, "first": costs[0], "second": costs[1] - costs[0]}


async def measure_chain(playwright, serve, way, seconds, hops=4):
    """Latency and quality at each of so many pages in a row, all displaying."""
    with serve(k=1, k1=1) as server:
        async with Browser(playwright) as browser:
            source = await browser.page(server)
            await way.source(source)
            pages, parent = [], source
            for _ in range(hops):
                page = await browser.page(server)
                await way.viewer(parent, page)
                pages.append(page)
                parent = page
            await asyncio.sleep(WARM_UP)
            for page in pages:
                await page.evaluate("() => { shown.length = 0; qualities.length = 0; }")
            await asyncio.sleep(seconds)
            drawn = await source.evaluate("drawn")
            rows = []
            for page in pages:
                shown, qualities = await page.evaluate("[shown, qualities]")
                values = [at - drawn[number] for number, at in shown if number < len(drawn)]
                if not values or not qualities:
                    sys.exit(f"{way.name}: a page showed nothing")
                rows.append({
                    "p50": statistics.median(values), "p95": percentile(values, 0.95),
                    "frames": len({number for number, _ in shown}) / seconds, "psnr": statistics.median(qualities),
                })
            return rows


async def run(arguments):
    def serve(k, k1):
        server = running(arguments.peer_tree, "serve", "--port", 0, "--k", k, "--k1", k1, "--json")
        return Served(server)

    results = {}
    async with async_playwright() as playwright:
        for way in (Ours(), AddTrack()):
            cost = await measure_cost(playwright, serve, way, arguments.seconds)
            chain = await measure_chain(playwright, serve, way, arguments.seconds)
            results[way.name] = {"cost": cost, "chain": chain}
            show(way.name, cost, chain)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2) + "\n")


class Served:
    """The address of a server that runs as long as the block."""

    def __init__(self, process):
        self.process = process

    def __enter__(self):
        return f"http://127.0.0.1:{self.process.__enter__().event('listening')['port']}"

    def __exit__(self, *reason):
        return self.process.__exit__(*reason)


def show(name, cost, chain):
    print(f"{name}: a relay that only forwards takes {cost['first']:.3f} core with one child, {cost['second']:+.3f} with a "
          f"second (page without stream: {cost['idle']:.3f})")
    for depth, row in enumerate(chain, 1):
        print(f"  depth {depth}: p50 {row['p50']:5.1f} ms  p95 {row['p95']:5.1f} ms  {row['frames']:4.1f} fps  "
              f"PSNR {row['psnr']:.1f} dB")
    step = (chain[-1]["p50"] - chain[0]["p50"]) / (len(chain) - 1)
    print(f"  per relay: {step:+.1f} ms, {(chain[-1]['psnr'] - chain[0]['psnr']) / (len(chain) - 1):+.2f} dB")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer-tree", type=Path, required=True, help="the command; dist must be built")
    parser.add_argument("--seconds", type=float, default=10, help="length of each measurement")
    parser.add_argument("--json", type=Path)
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
