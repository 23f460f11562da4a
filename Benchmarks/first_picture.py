#!/usr/bin/env python3
"""How soon a newcomer has its first picture: of a page's live video (320x176, 15 pictures a second, a key frame a second), in
one stripe and in four and one of parity, by turns. Six pages are there already.

    .venv/bin/python Benchmarks/first_picture.py --peer-tree PROGRAM [--rounds 3] [--joins 5]

A page counts from making its client to its first picture on show, `peer-tree watch` from its start to the first picture
written.
"""

import argparse
import asyncio
import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from playwright.async_api import async_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "Tests" / "Browser"), str(ROOT / "Tests" / "Interop")]

import processes  # noqa: E402
from scene import CHROMIUM_FLAGS, PAGE, SOURCE, first_picture, percentile, show  # noqa: E402

VIDEO = {"width": 320, "height": 176, "framerate": 15, "video": {"bitrate": 250_000}}
LAYOUTS = {"one stripe": {}, "4 + 1": {"stripes": 5, "parity": 1}}
RESIDENTS = 6
# More than a header of WebM without a picture, and less than one with a key frame.
PICTURE = 1_500


async def open_page(browser, server):
    page = await (await browser.new_context()).new_page()
    await page.goto(f"{server}/healthz")
    await page.set_content(PAGE)
    await page.wait_for_function("() => globalThis.PeerTreeClient && globalThis.has")
    return page


async def page_joins(browser, server, tree):
    """Milliseconds to the first picture of a page that comes and goes."""
    page = await open_page(browser, server)
    await show(page, tree, width=VIDEO["width"])
    _, made, _ = await first_picture(page)
    await page.evaluate("client.leave()")
    await page.context.close()
    return made


def program_joins(peer_tree, server, tree):
    """The same of the command."""
    begin, count = time.monotonic(), 0
    command = [peer_tree, "watch", f"{server}/watch/{tree}"]
    process = processes.start(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    try:
        while count < PICTURE:
            data = os.read(process.stdout.fileno(), 65_536)
            assert data, "the viewer has ended"
            count += len(data)
        return (time.monotonic() - begin) * 1000
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(3)
        processes.end(process)
        process.stdout.close()


async def measure(browser, options, layout):
    """Both, so many times each."""
    with processes.running(options.peer_tree, "serve", "--port", 0, "--k", 2, "--k1", 5, "--json") as server:
        url = f"http://127.0.0.1:{server.event('listening')['port']}"
        source = await open_page(browser, url)
        tree = await source.evaluate(SOURCE, {**VIDEO, **layout})
        pages = [source]
        for _ in range(RESIDENTS):
            pages.append(await open_page(browser, url))
            await show(pages[-1], tree, width=VIDEO["width"])
        await asyncio.sleep(2)
        joins = []
        for _ in range(options.joins):
            of_page = await page_joins(browser, url, tree)
            await asyncio.sleep(0.7)
            of_program = await asyncio.get_running_loop().run_in_executor(None, program_joins, options.peer_tree, url, tree)
            await asyncio.sleep(0.7)
            joins.append((of_page, of_program))
        for page in pages:
            await page.context.close()
    return joins


async def run(options):
    path = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    if not path:
        sys.exit("Chromium is not installed: Scripts/bootstrap bench")
    joins = {name: [] for name in LAYOUTS}
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS)
        for _ in range(options.rounds):
            for name, layout in LAYOUTS.items():
                joins[name] += await measure(browser, options, layout)
        await browser.close()
    for name in LAYOUTS:
        for kind, times in zip(["a page", "peer-tree watch"], zip(*joins[name])):
            print(f"{name}, {kind}: first picture after {statistics.median(times):.0f} ms (median of {len(times)}; "
                  f"{min(times):.0f} to {max(times):.0f}, p90 {percentile(times, 0.9):.0f})")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer-tree", type=Path, required=True, help="the command; dist must be built")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--joins", type=int, default=5, help="of each kind, in each round")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
