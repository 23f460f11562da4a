"""A whole tree of pages, in Chromium and Firefox by turns."""

from collections import Counter

from scene import SOURCE, crash, latencies, longest_pause, show, summary

# Two cores draw fifteen pages: small pictures, so that the tree is measured and not the machine.
SCENE = {"width": 320, "height": 176, "framerate": 15, "video": {"bitrate": 250_000}}


async def placed(source, pages):
    """Where each page sits: {page: (depth, parent page or None)}."""
    await source.evaluate("(count) => until(() => client.tree?.viewers === count)", len(pages))
    ids = {await page.evaluate("client.id"): page for page in pages}
    peers = await source.evaluate("client.tree.peers")
    return {ids[peer["id"]]: (peer["depth"], ids.get(peer["parent"])) for peer in peers}


def below(page, places):
    found = [child for child, (_, parent) in places.items() if parent is page]
    return [*found, *(deeper for child in found for deeper in below(child, places))]


async def test_fifteen_pages_show_the_picture_and_survive_the_crash_of_one_above_them(serve, open_page, report):
    with serve(k=2, k1=2) as server:
        source = await open_page("chromium", server)
        tree = await source.evaluate(SOURCE, SCENE)
        pages = []
        for index in range(14):
            page = await open_page("firefox" if index % 2 else "chromium", server)
            await show(page, tree, width=320)
            pages.append(page)
        places = await placed(source, pages)
        assert Counter(depth for depth, _ in places.values()) == {1: 2, 2: 4, 3: 8}

        begins = {page: await page.evaluate("shown.length") for page in pages}
        for page in pages:
            await page.evaluate("(begin) => until(() => shown.length > begin + 60, 30000)", begins[page])
        drawn = await source.evaluate("drawn")
        for depth in (1, 2, 3):
            values = []
            for page in (page for page in pages if places[page][0] == depth):
                shown = await page.evaluate("(begin) => shown.slice(begin)", begins[page])
                assert len({number for number, _ in shown}) > 40
                assert await page.evaluate("errors") == []
                values += latencies(drawn, shown, 0)
            report(f"15 pages, depth {depth}: glass to glass {summary(values)}")

        crashed = pages[0]
        orphans = below(crashed, places)
        assert len(orphans) == 6
        begin = await crash(crashed)
        for page in orphans:
            await page.evaluate(
                "(begin) => until(() => shown.some(([, at]) => at > begin + 2500), 30000)", begin
            )
        pauses = []
        for page in orphans:
            shown = await page.evaluate("shown")
            pauses.append(longest_pause(shown, begin))
            seen = [number for number, at in shown if at > begin]
            assert all(later >= earlier for earlier, later in zip(seen, seen[1:]))
        report(f"crash above {len(pauses)} pages: longest time without a new picture {max(pauses):.0f} ms of {sorted(map(round, pauses))}")
        assert max(pauses) < 3000
        for page in pages[1:]:
            assert await page.evaluate("events.filter(([name]) => ['disconnect', 'end'].includes(name))") == []
