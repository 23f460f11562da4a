"""What a page can broadcast, and what happens when somebody cannot keep up."""

import asyncio
import base64
import contextlib
import hashlib
import os
import signal

from conftest import in_thread
from processes import running
from scene import SOURCE, show


async def test_a_file_arrives_with_its_description(serve, open_page):
    content = os.urandom(1_500_000)
    with serve(k=1, k1=1) as server:
        source = await open_page("chromium", server)
        tree = await source.evaluate(
            """async (text) => {
              const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
              window.sender = makeClient('built-in').broadcast(new File([bytes], 'clip.bin', { type: 'application/x-clip' }));
              return sender.started;
            }""",
            base64.b64encode(content).decode(),
        )
        pages = [await open_page("firefox", server), await open_page("chromium", server)]
        for page in pages:
            await page.evaluate(
                """async (tree) => {
                  const client = makeClient('built-in');
                  client.on('message', ({ data, key }) => {
                    if (key === PeerTreeClient.KEYS.content) window.description = JSON.parse(data);
                    else parts.push(data), total += data.length;
                  });
                  await client.connect(tree);
                  await until(() => has('connect'));
                }""",
                tree,
            )
        for page in pages:
            got = await page.evaluate("async () => { await until(() => has('end')); return [description, await digest()]; }")
            assert got[0] == {"content": 1, "name": "clip.bin", "type": "application/x-clip", "size": len(content)}
            assert got[1] == {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        await source.evaluate("() => sender.finished")
        assert await source.evaluate("sender.statistics") == {"bytes": len(content), "size": len(content)}


async def test_a_screen_is_broadcast(serve, open_page):
    with serve() as server:
        source, viewer = await open_page("chromium", server), await open_page("firefox", server)
        # Browsers share a screen only when asked to by a click.
        await source.evaluate(
            """() => document.addEventListener('click', () => {
              window.broadcasting = (async () => {
                const screen = await navigator.mediaDevices.getDisplayMedia({ video: true });
                window.size = screen.getVideoTracks()[0].getSettings();
                return makeClient('built-in').broadcast(screen, { title: 'screen' }).started;
              })();
            })"""
        )
        await source.mouse.click(5, 5)
        tree = await source.evaluate("() => broadcasting")
        await show(viewer, tree)
        await viewer.evaluate("() => until(() => client.media.statistics.framesShown > 10)")
        width, height = await source.evaluate("[size.width & ~1, size.height & ~1]")
        assert await viewer.evaluate("[client.media.statistics.width, client.media.statistics.height]") == [width, height]
        assert await viewer.evaluate("client.media.catalog.title") == "screen"


@contextlib.asynccontextmanager
async def held_up(process, pause):
    """Lets a process run for a moment only, every PAUSE seconds: too slow for its stream, too alive to be given up."""

    async def hold():
        while True:
            process.signal(signal.SIGSTOP)
            await asyncio.sleep(pause)
            process.signal(signal.SIGCONT)
            await asyncio.sleep(0.03)

    holding = asyncio.ensure_future(hold())
    try:
        yield
    finally:
        holding.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await holding
        process.signal(signal.SIGCONT)


# Pictures that do not compress.
NOISE = """
() => {
  const context = document.createElement('canvas').getContext('2d');
  const canvas = context.canvas;
  [canvas.width, canvas.height] = [640, 360];
  const image = context.createImageData(640, 360);
  window.drawn = [];
  window.timer = setInterval(() => {
    for (let at = 0; at < image.data.length; at += 65_536) {
      crypto.getRandomValues(image.data.subarray(at, Math.min(image.data.length, at + 65_536)));
    }
    context.putImageData(image, 0, 0);
  }, 1000 / 15);
  const client = makeClient('built-in', { limits: { highWater: 131_072, maximumLiveLag: 300 } });
  const video = { bitrate: 2_000_000, framerate: 15, keyFrameInterval: 1, codec: 'vp8' };
  window.sender = client.broadcast(canvas.captureStream(), { video });
  return sender.started;
}
"""


# Without new pictures, whose size no bit rate holds down. It may fall for a while, until what was held up is gone.
RISES = """
() => {
  clearInterval(timer);
  let low = Infinity;
  return until(() => {
    low = Math.min(low, sender.statistics.bitrate);
    return sender.statistics.bitrate > low * 1.1;
  }, 60000);
}
"""


async def test_the_source_lowers_its_bit_rate_for_a_full_uplink_and_slow_viewers_go_on_at_a_key_frame(
    serve, open_page, peer_tree, tmp_path, report
):
    with serve(k=2, k1=2) as server:
        source = await open_page("chromium", server)
        tree = await source.evaluate(NOISE)
        link = f"{server}/watch/{tree}"
        with running(peer_tree, "watch", link, "--output", tmp_path / "out", "--json") as slow:
            await in_thread(slow.event, "connect")
            quick = await open_page("chromium", server)
            await show(quick, tree)
            lowest = 2_000_000
            async with held_up(slow, 0.5):
                async with asyncio.timeout(40):
                    while lowest > 1_000_000 or (await source.evaluate("client.statistics()"))["skips"] == 0:
                        await asyncio.sleep(0.2)
                        lowest = min(lowest, await source.evaluate("sender.statistics.bitrate"))
            skips = (await source.evaluate("client.statistics()"))["skips"]
            report(f"held-up viewer: bit rate lowered from 2000 to {lowest // 1000} kbit/s, {skips} cuts to a key frame")
            # Its sibling missed nothing, and the rate comes back.
            assert await quick.evaluate("client.media.statistics.framesDropped") == 0
            assert await quick.evaluate("events.filter(([name]) => name === 'gap')") == []
            await source.evaluate(RISES)
