#!/usr/bin/env python3
"""What signatures cost in browsers: messages of 10 KB, thirty a second (2.5 Mbit/s), through a chain of Chromium pages, in
signed and unsigned trees by turns. Milliseconds from `write` to the `data` event by one clock, and the processor time of all
processes of a Chromium in which only a relay with one child runs.

    .venv/bin/python Benchmarks/signed_pages.py --peer-tree PROGRAM [--seconds 10] [--rounds 3]
"""

import argparse
import asyncio
import statistics
from pathlib import Path

from browser import Browser, Served
from playwright.async_api import async_playwright
from processes import running
from scene import percentile

HOPS = 4
KINDS = {"unsigned": False, "signed": True}

SOURCE = """async (identity) => {
  window.client = new PeerTreeClient(location.origin, { identity, policy: 'live' });
  const tree = await client.create();
  const message = new Float64Array(1302);
  setInterval(() => {
    message[0] = performance.timeOrigin + performance.now();
    client.write(message, { joinPoint: true });
  }, 1000 / 30);
  return tree;
}"""
VIEWER = """async (tree) => {
  window.client = new PeerTreeClient(location.origin);
  window.delays = [];
  const linked = new Promise((resolve) => client.once('connect', resolve));
  client.on('data', (data) => {
    delays.push(performance.timeOrigin + performance.now() - new Float64Array(data.buffer, data.byteOffset, 1)[0]);
  });
  await client.connect(tree);
  await linked;
}"""


async def delays_of(playwright, serve, is_signed, seconds):
    """The delays of all messages at each of the pages of a chain."""
    with serve() as server:
        async with Browser(playwright) as browser:
            source = await browser.page(server)
            tree = await source.evaluate(SOURCE, is_signed)
            pages = []
            for _ in range(HOPS):
                pages.append(await browser.page(server))
                await pages[-1].evaluate(VIEWER, tree)
            await asyncio.sleep(2)
            for page in pages:
                await page.evaluate("() => { delays.length = 0; }")
            await asyncio.sleep(seconds)
            return [await page.evaluate("delays") for page in pages]


async def cores_of(playwright, serve, is_signed, seconds):
    """How many cores a relay with one child takes."""
    with serve() as server:
        async with Browser(playwright) as others, Browser(playwright) as alone:
            source, relay, child = await others.page(server), await alone.page(server), await others.page(server)
            tree = await source.evaluate(SOURCE, is_signed)
            await relay.evaluate(VIEWER, tree)
            await child.evaluate(VIEWER, tree)
            await asyncio.sleep(2)
            return await alone.cores(seconds)


async def run(arguments):
    def serve():
        return Served(running(arguments.peer_tree, "serve", "--port", 0, "--k", 1, "--k1", 1, "--json"))

    delays = {name: [[] for _ in range(HOPS)] for name in KINDS}
    cores = {name: [] for name in KINDS}
    async with async_playwright() as playwright:
        for _ in range(arguments.rounds):
            for name, is_signed in KINDS.items():
                measured = await delays_of(playwright, serve, is_signed, arguments.seconds)
                for all_delays, more in zip(delays[name], measured):
                    all_delays += more
                cores[name].append(await cores_of(playwright, serve, is_signed, arguments.seconds))
    for name in KINDS:
        hops = ", ".join(f"{statistics.median(values):.2f} / {percentile(values, 0.95):.2f}" for values in delays[name])
        step = (statistics.median(delays[name][-1]) - statistics.median(delays[name][0])) / (HOPS - 1)
        print(f"{name}: p50 / p95 at depths 1 to {HOPS}: {hops} ms; a hop more {step:.2f} ms; "
              f"a relay {statistics.mean(cores[name]):.3f} core (runs {', '.join(f'{value:.3f}' for value in cores[name])})")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer-tree", type=Path, required=True, help="the command; dist must be built")
    parser.add_argument("--seconds", type=float, default=10, help="length of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
