"""What encryption costs: a file through two `peer-tree` processes, plain and encrypted by turns, and their processor time.
With --browser, messages of 10 KB through a Chromium in which only source and viewer run, and the processor time of all its
processes; thirty messages a second are 2.5 Mbit/s.

    python3 Benchmarks/encryption.py --peer-tree PROGRAM [--megabytes 1000] [--rounds 3]
    .venv/bin/python Benchmarks/encryption.py --peer-tree PROGRAM --browser [--messages 10000] [--rounds 3]
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "Tests" / "Interop"))

from processes import running  # noqa: E402

TICKS = os.sysconf("SC_CLK_TCK")
MESSAGE = 10_417
MESSAGES_A_SECOND = 30

# Source and viewer in one page; ends when the viewer has read everything.
PAIR = """async ([encrypt, count, size]) => {
  const source = new PeerTreeClient(location.origin, { encrypt });
  const tree = await source.create();
  const viewer = new PeerTreeClient(location.origin, encrypt ? { secret: source.secret } : {});
  let received = 0;
  const isOver = new Promise((resolve) => viewer.on('end', resolve));
  viewer.on('data', (data) => { received += data.length; });
  const isLinked = new Promise((resolve) => viewer.on('connect', resolve));
  await viewer.connect(tree);
  await isLinked;
  const message = crypto.getRandomValues(new Uint8Array(size));
  for (let number = 0; number < count; number++) {
    if (!source.write(message)) await new Promise((resolve) => source.once('drain', resolve));
  }
  source.end();
  await isOver;
  viewer.destroy();
  source.destroy();
  return received;
}"""


def processor_seconds(process):
    """User and system time of a process that still runs."""
    fields = Path(f"/proc/{process.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def once(peer_tree, server, path, options):
    """Processor time of source and viewer for one file, without what they need to begin, and the seconds that it takes from
    the viewer's first link to its last byte."""
    command = [peer_tree, "broadcast", path, "--raw", "--server", server, "--json", "--linger", 30, *options]
    with running(*command) as source:
        link = source.event("link")["link"]
        with running(peer_tree, "watch", link, "--output", "/dev/null", "--json") as viewer:
            viewer.event("connect")
            began = time.monotonic()
            before = [processor_seconds(process) for process in (source, viewer)]
            # What a viewer has written it has hashed: its last word comes after the last byte.
            assert viewer.event("end", 300)["bytes"] == path.stat().st_size
            taken = time.monotonic() - began
            return [*(processor_seconds(process) - at for process, at in zip((source, viewer), before)), taken]


async def measure_browser(options):
    """What encryption costs source and viewer together, as a share of a core at 2.5 Mbit/s."""
    from browser import Browser
    from playwright.async_api import async_playwright

    seconds = {"plain": [], "encrypted": []}
    with running(options.peer_tree, "serve", "--port", 0, "--json") as server:
        url = f"http://127.0.0.1:{server.event('listening')['port']}"
        async with async_playwright() as playwright, Browser(playwright) as browser:
            page = await (await browser.browser.new_context()).new_page()
            await page.goto(f"{url}/healthz")
            await page.set_content('<!doctype html><script src="/peer-tree-client.js"></script>')
            await page.wait_for_function("() => globalThis.PeerTreeClient")
            for _ in range(options.rounds):
                for name in seconds:
                    before = browser.cpu_seconds()
                    received = await page.evaluate(PAIR, [name == "encrypted", options.messages, MESSAGE])
                    assert received == options.messages * MESSAGE, (name, received)
                    seconds[name].append(browser.cpu_seconds() - before)
    per_message = {name: statistics.median(rounds) / options.messages for name, rounds in seconds.items()}
    more = per_message["encrypted"] - per_message["plain"]
    print(json.dumps({
        "end": "source and viewer in Chromium",
        **{f"{name}_us_per_message": round(value * 1e6) for name, value in per_message.items()},
        "more_percent_of_a_core": round(more * MESSAGES_A_SECOND * 100, 2),
    }))


def measure_native(options):
    """What encryption costs each end."""
    seconds = {"plain": [], "encrypted": []}
    with tempfile.NamedTemporaryFile() as file:
        for _ in range(options.megabytes):
            file.write(os.urandom(1_000_000))
        file.flush()
        with running(options.peer_tree, "serve", "--port", 0, "--json") as server:
            url = f"http://127.0.0.1:{server.event('listening')['port']}"
            for _ in range(options.rounds):
                for name, flags in {"plain": [], "encrypted": ["--encrypt"]}.items():
                    seconds[name].append(once(options.peer_tree, url, Path(file.name), flags))
    for index, end in enumerate(["source", "viewer"]):
        medians = {
            name: statistics.median(round_[index] for round_ in rounds) * 1000 / options.megabytes
            for name, rounds in seconds.items()
        }
        more = medians["encrypted"] - medians["plain"]
        print(json.dumps({"end": end, **{f"{name}_s_per_GB": round(value, 2) for name, value in medians.items()}, "more": round(more, 2)}))


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--peer-tree", required=True)
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--browser", action="store_true", help="measure in Chromium instead")
    parser.add_argument("--messages", type=int, default=10_000)
    options = parser.parse_args()
    if options.browser:
        asyncio.run(measure_browser(options))
    else:
        measure_native(options)


if __name__ == "__main__":
    main()
