"""What strangers in the tree may do to honest browsers: nothing that lasts. See hostile_acts.py, beside the native tests."""

import functools
import hashlib

import pytest
import wire

pytest.register_assert_rewrite("hostile_acts", "stage")
import hostile_acts as acts  # noqa: E402
from stage import stage  # noqa: E402

ACTS = {
    "a truthful relay": acts.truthful_relay,
    "another stream": acts.another_stream,
    "a number of 2^62 - 10": functools.partial(acts.far_number, sequence=wire.LIMIT - 10),
    "wild skips": acts.wild_skips,
    "replaced streams": acts.replaced_streams,
    "a parent that vanishes before it answers": functools.partial(acts.vanishing_parent, is_linked=False),
    "a parent that vanishes before it feeds": functools.partial(acts.vanishing_parent, is_linked=True),
    "heartbeats only": functools.partial(acts.withheld_stream, deceit=acts.heartbeats_only, k1=2),
    "a slow drip, where nobody else is": functools.partial(acts.withheld_stream, deceit=acts.slow_drip, k1=1),
    "pulses only": functools.partial(acts.withheld_stream, deceit=acts.pulses_only, k1=2),
    "a flood of links": acts.link_flood,
    "a flood of subscriptions": acts.subscription_flood,
    "a request bomb": acts.request_bomb,
    "withheld credit": functools.partial(acts.withheld_credit, patience=3, is_below_victim=True),
}
FIREFOX_TOO = ["a truthful relay"]
# So little patience that a test is short, and a window that a short stream fills.
OPTIONS = {"limits": {"window": 16, "patience": 3000}}

VIEWER = """
async ([tree, options]) => {
  const client = makeClient('built-in', options);
  collect(client);
  await client.connect(tree);
  await until(() => has('connect'));
}
"""
SUFFIX = """
async (count) => hex(await crypto.subtle.digest('SHA-256', await new Blob(parts).slice(-count).arrayBuffer()))
"""


class PageViewer:
    """A viewer in a browser, and the bytes that it has."""

    def __init__(self, page):
        self.page = page

    async def holds(self, data, within):
        """Waits for these bytes, and no others."""
        await self.page.evaluate("([size, within]) => until(() => total >= size, within)", [len(data), within * 1000])
        assert await self.page.evaluate("total") == len(data)
        assert await self.page.evaluate(SUFFIX, len(data)) == hashlib.sha256(data).hexdigest()

    async def ends_with(self, data, within):
        """Waits until these are the last bytes that came."""
        expression = f"([size, hash, within]) => until(async () => total >= size && await ({SUFFIX})(size) === hash, within)"
        await self.page.evaluate(expression, [len(data), hashlib.sha256(data).hexdigest(), within * 1000])

    async def reports_gaps(self, count):
        """Waits for so many reports of something missing; no more may come."""
        await self.page.evaluate("(count) => until(() => events.filter(([name]) => name === 'gap').length >= count)", count)
        assert len(await self.page.evaluate("events.filter(([name]) => name === 'gap')")) == count

    async def finish(self):
        """Waits for the end of the stream."""
        await self.page.evaluate("(within) => until(() => has('end'), within)", 5000)
        assert await self.page.evaluate("errors") == []
        await self.page.evaluate("client.leave()")


@pytest.fixture
def browser_stage(peer_tree, tmp_path, open_page, browser):
    async def open_viewer(scene):
        page = await open_page(browser, scene.url)
        await page.evaluate(VIEWER, [scene.tree, OPTIONS])
        return PageViewer(page)

    return functools.partial(stage, peer_tree, tmp_path, open_viewer)


@pytest.mark.parametrize(
    ("browser", "act"),
    [pytest.param(browser, act, id=f"{browser}: {name}")
     for browser in ["chromium", "firefox"]
     for name, act in ACTS.items()
     if browser == "chromium" or name in FIREFOX_TOO],
)
async def test_honest_browsers_outlast(browser_stage, act):
    await act(browser_stage)
