"""Pictures over five trees of which one carries parity: a tab that crashes costs the others no picture."""

import asyncio

from scene import SOURCE, crash, longest_pause, show

SCENE = {
    "width": 320, "height": 176, "framerate": 15, "video": {"bitrate": 250_000},
    "stripes": 5, "parity": 1,
}


async def children(page):
    neighbours = (await page.evaluate("client.statistics()"))["neighbours"]
    return [neighbour for neighbour in neighbours if neighbour["role"] == "child"]


async def test_eight_pages_survive_the_crash_of_one_that_feeds_others(serve, open_page, report):
    with serve(k=2, k1=5) as server:
        source = await open_page("chromium", server)
        tree = await source.evaluate(SOURCE, SCENE)
        pages = []
        for index in range(8):
            page = await open_page("firefox" if index % 2 else "chromium", server)
            await show(page, tree, width=320)
            pages.append(page)
        await asyncio.sleep(2)
        chromiums = pages[::2]
        fed = {page: len(await children(page)) for page in chromiums}
        crashed = max(chromiums, key=fed.get)
        assert fed[crashed] > 0
        for page in pages:
            stats = await page.evaluate("client.statistics()")
            assert stats["chunksRebuilt"] > 0, "parity comes last, and nobody waits for it"
            # Where leaves make room, what the parent before had on its way is unexpected, and no more.
            assert stats["malformedFrames"] == 0, stats
        begin = await crash(crashed)
        pages.remove(crashed)
        for page in pages:
            await page.evaluate("(begin) => until(() => shown.some(([, at]) => at > begin + 2500), 30000)", begin)
        pauses = [longest_pause(await page.evaluate("shown"), begin) for page in pages]
        report(f"a crash above {fed[crashed]}: longest time without a new picture {sorted(map(round, pauses))} ms")
        # Without parity it takes until silence is noticed: 900 ms and more.
        assert max(pauses) < 800
        for page in pages:
            assert await page.evaluate("errors") == []
            assert await page.evaluate("events.filter(([name]) => ['disconnect', 'end', 'gap'].includes(name))") == []
