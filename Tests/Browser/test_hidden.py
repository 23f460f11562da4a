"""Tabs that nobody sees go on relaying."""

import asyncio

from bare import bare_chromium
from scene import SOURCE, longest_pause, show

MINUTE = 60

# How long a timer of 100 ms really takes.
TIMER = """async () => {
  const begin = performance.now();
  await settled(100);
  await settled(100);
  return [document.visibilityState, performance.now() - begin];
}"""


async def test_hidden_tabs_of_chromium_and_firefox_relay_for_a_minute(serve, open_page, report):
    with serve(k=1, k1=1) as server:
        source = await open_page("chromium", server)
        tree = await source.evaluate(SOURCE, {"width": 320, "height": 176, "framerate": 15})
        async with bare_chromium(server) as first:
            await show(first, tree, width=320)
            second = await open_page("firefox", server)
            await show(second, tree, width=320)
            viewer = await open_page("chromium", server)
            await show(viewer, tree, width=320)
            await first.hide()
            await second.evaluate("() => { window.open('/healthz'); return until(() => document.hidden); }")
            begin = await viewer.evaluate("[shown.length, performance.timeOrigin + performance.now()]")
            await asyncio.sleep(MINUTE)
            visibility, milliseconds = await first.evaluate(TIMER)
            assert visibility == "hidden"
            assert milliseconds > 900, "Chromium did not slow this page down: it is not hidden for good"
            assert (await second.evaluate(TIMER))[0] == "hidden"
            shown = await viewer.evaluate("(begin) => shown.slice(begin)", begin[0])
            pause = longest_pause(shown, begin[1])
            numbers = {number for number, _ in shown}
            statistics = await viewer.evaluate("client.media.statistics")
            report(
                f"behind two hidden tabs for {MINUTE} s: {len(numbers)} pictures seen, longest pause {pause:.0f} ms, "
                f"{statistics['framesDropped']} of {statistics['framesDecoded']} frames left out"
            )
            assert len(numbers) > MINUTE * 15 * 0.8
            assert statistics["framesDropped"] == 0
            assert pause < 2000
            for page in (source, first, second, viewer):
                assert await page.evaluate("errors") == []
            # Nobody had to be found a new parent.
            for page in (first, second, viewer):
                assert (await page.evaluate("async () => (await client.statistics()).parentsLost")) == 0
