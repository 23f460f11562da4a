"""The dashboard: the tree it draws is the tree there is, it follows what happens, and large trees stay smooth."""

import asyncio
import contextlib
import json
import signal

import requests
from conftest import in_thread
from processes import own_port, running
from visitors import site, visit  # noqa: F401

SECRET = "a secret of the operator"

SHAPE = """async () => {
  const { model } = await import('/pages/dashboard.js');
  return Object.fromEntries([...model.peers.values()].map((peer) => [peer.label, peer.parent?.label ?? null]));
}"""


def shape(address, tree):
    """The tree as the server's status has it: parents by label."""
    status = requests.get(f"{address}/status", params={"tree": tree}, timeout=10).json()
    return {status["source"]: None} | {peer["peer"]: peer["parents"][0] for peer in status["peers"]}


async def shows_the_tree(visitor, address, tree, viewers):
    """Waits until the dashboard and the server agree on a tree of so many viewers."""
    for _ in range(150):
        there = await in_thread(shape, address, tree)
        drawn = await visitor.page.evaluate(SHAPE)
        if drawn == there and len(drawn) == viewers + 1:
            return drawn
        await asyncio.sleep(0.2)
    raise AssertionError(f"drawn {drawn}, there {there}")


async def test_nobody_sees_it_unless_the_operator_wants_it(peer_tree, visit):  # noqa: F811
    with site(peer_tree) as (address, _):
        assert requests.get(f"{address}/dashboard/trees", timeout=10).status_code == 404
        assert requests.get(f"{address}/dashboard/events?tree=x", timeout=10).status_code == 404
        visitor = await visit("chromium", f"{address}/dashboard")
        await visitor.says("The dashboard is switched off on this server", "#notice")
    with site(peer_tree, "--dashboard-secret", SECRET) as (address, _):
        for headers in [{}, {"Authorization": "Bearer wrong secret of nobody"}, {"Authorization": SECRET}]:
            answer = requests.get(f"{address}/dashboard/trees", headers=headers, timeout=10)
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        visitor = await visit("firefox", f"{address}/dashboard", color_scheme="dark")
        await visitor.page.wait_for_selector("#secretForm:not([hidden])")
        await visitor.screenshot("dashboard-secret")
        await visitor.page.fill("#secretInput", "wrong secret of nobody")
        await visitor.page.keyboard.press("Enter")
        await visitor.says("That was not the secret.")
        await visitor.page.fill("#secretInput", SECRET)
        await visitor.page.keyboard.press("Enter")
        await visitor.says("No broadcast at present.")
        direct = await visit("chromium", f"{address}/dashboard#secret={SECRET.replace(' ', '%20')}")
        await direct.says("No broadcast at present.")


async def test_it_draws_the_tree_there_is_and_follows_a_kill(peer_tree, visit, tmp_path):  # noqa: F811
    clip = tmp_path / "clip"
    clip.write_bytes(bytes(3_000_000))
    with site(peer_tree, "--k", 2, "--k1", 2, "--dashboard", "everybody") as (address, _):
        arguments = ["broadcast", clip, "--rate", "60k", "--k1", 2, "--server", address]
        with running(peer_tree, *arguments) as source:
            link = await in_thread(source.line)
            tree = link.rsplit("/", 1)[1]
            visitor = await visit("chromium", f"{address}/dashboard", color_scheme="dark")
            light = await visit("firefox", f"{address}/dashboard?tree={tree}", color_scheme="light")
            viewers = []
            with contextlib.ExitStack() as stack:
                for index in range(7):
                    viewers.append(stack.enter_context(running(peer_tree, "watch", link, "--output", tmp_path / f"{index}", "--json")))
                    await in_thread(viewers[-1].event, "connect")
                drawn = await shows_the_tree(visitor, address, tree, 7)
                await shows_the_tree(light, address, tree, 7)
                await visitor.says("7", "#viewers")
                await visitor.says("bit/s", "#relayed")
                # With the keyboard: the source, its first child.
                await visitor.page.focus("#canvas")
                await visitor.page.keyboard.press("ArrowDown")
                await visitor.says("Source ", "#peerText")
                await visitor.page.keyboard.press("ArrowDown")
                await visitor.says("level 1", "#peerText")
                await visitor.says("peer-tree", "#peer")
                await visitor.screenshot("dashboard-dark")
                await light.screenshot("dashboard-light")
                # With the pointer: over a peer, its figures are shown.
                place = await visitor.page.evaluate(
                    """async () => {
                      const { model, view } = await import('/pages/dashboard.js');
                      const { left, top } = document.getElementById('canvas').getBoundingClientRect();
                      const peer = view.order.at(-1);
                      const [x, y] = view.position(peer);
                      return { x: left + x, y: top + y, label: peer.label };
                    }"""
                )
                await visitor.page.mouse.move(place["x"], place["y"])
                await visitor.says(place["label"], "#peerText")
                # The first viewer has others below it.
                viewers[0].signal(signal.SIGKILL)
                after = await shows_the_tree(visitor, address, tree, 6)
                assert len(set(drawn) - set(after)) == 1
                await visitor.page.wait_for_function("() => Number(document.getElementById('repairs').innerText) >= 1")
                await shows_the_tree(light, address, tree, 6)


async def test_it_goes_on_by_itself_after_the_server_was_restarted(peer_tree, visit, tmp_path):  # noqa: F811
    settings = ["--dashboard", "everybody"]
    clip = tmp_path / "clip"
    clip.write_bytes(bytes(3_000_000))
    with own_port() as port:
        with site(peer_tree, *settings, port=port) as (address, process):
            visitor = await visit("chromium", f"{address}/dashboard")
            await visitor.says("No broadcast at present.")
            process.signal(signal.SIGKILL)
            process.wait(10)
            await visitor.says("The server cannot be reached.", "#notice")
        with site(peer_tree, *settings, port=port) as (address, _):
            with running(peer_tree, "broadcast", clip, "--rate", "60k", "--server", address) as source:
                tree = (await in_thread(source.line)).rsplit("/", 1)[1]
                await shows_the_tree(visitor, address, tree, 0)
                assert await visitor.page.is_hidden("#notice")


# Large trees, without peers: the page is fed what the server would send.

FEED = """async ([viewers, k, k1]) => {
  const { take, view } = await import('/pages/dashboard.js');
  let state = 42;
  const random = () => { state = (state * 1664525 + 1013904223) >>> 0; return state / 2 ** 32; };
  const label = (number) => number.toString(16).padStart(12, '0');
  const parentOf = (number) => (number <= k1 ? 0 : Math.floor((number - 1 - k1) / k) + 1);
  const agents = ['Chrome 156', 'Firefox 153', 'peer-tree', null];
  const row = (number) => [label(number), number ? [label(parentOf(number))] : [], 7, 100_000,
    number ? Math.round(random() ** 4 * 900) : null, Math.round(random() * 80), agents[number % 4]];
  const activity = { joins: 0, leaves: 0, repairs: 0, moves: 0, forgeries: 0 };
  let seq = 0;
  const send = (peers, gone, complete) => {
    seq += 1;
    take('changes', JSON.stringify({ seq, viewers, activity, complete, gone, peers }));
  };
  window.feed = { send, row, label, random, activity, viewers };
  take('tree', JSON.stringify({ tree: 'large', source: label(0), stripes: 1, k, k1 }));
  for (let start = 0; start <= viewers; start += 1000) {
    const rows = [];
    for (let number = start; number < Math.min(viewers + 1, start + 1000); number++) rows.push(row(number));
    send(rows, [], start + 1000 > viewers);
  }
  await new Promise((resolve) => setTimeout(resolve, 1500));
  return view.order.length;
}"""

# Twice a second, for five seconds: peers go, come, are moved and report, one in a hundred each time.
CHURN = """async () => {
  const { view } = await import('/pages/dashboard.js');
  const { send, row, label, random, activity, viewers } = window.feed;
  const some = Math.max(5, Math.floor(viewers / 100));
  const absent = new Set();
  const gaps = [];
  let last = performance.now();
  let isOver = false;
  const watch = (now) => {
    gaps.push(now - last);
    last = now;
    if (!isOver) requestAnimationFrame(watch);
  };
  requestAnimationFrame((now) => { last = now; requestAnimationFrame(watch); });
  view.frames = { count: 0, total: 0, longest: 0 };
  const applied = [];
  for (let round = 0; round < 10; round++) {
    const leaf = () => Math.floor(viewers * (0.6 + 0.4 * random()));
    const back = [...absent];
    const gone = Array.from({ length: some }, leaf).filter((number) => !absent.has(number));
    absent.clear();
    for (const number of gone) absent.add(number);
    const moved = Array.from({ length: some }, leaf).filter((number) => !absent.has(number)).map((number) => {
      const entry = row(number);
      entry[1] = [label(1 + Math.floor(random() * viewers / 8))];
      return entry;
    });
    activity.joins += back.length;
    activity.leaves += absent.size;
    activity.repairs += moved.length;
    const begin = performance.now();
    send([...back.map(row), ...moved], [...absent].map(label), true);
    applied.push(performance.now() - begin);
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  isOver = true;
  await new Promise((resolve) => setTimeout(resolve, 800));
  const at = (values, share) => [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))];
  const { count, total, longest } = view.frames;
  return {
    peers: view.order.length, frames: count, drawMean: total / count, drawLongest: longest,
    gapMedian: at(gaps, 0.5), gap95: at(gaps, 0.95), applyMedian: at(applied, 0.5), applyLongest: Math.max(...applied),
  };
}"""


async def test_large_trees_are_drawn_while_they_change(peer_tree, visit):  # noqa: F811
    with site(peer_tree, "--dashboard", "everybody") as (address, _):
        for viewers in [1_000, 20_000]:
            visitor = await visit("chromium", f"{address}/dashboard", color_scheme="dark")
            await visitor.says("No broadcast at present.")
            assert await visitor.page.evaluate(FEED, [viewers, 4, 10]) == viewers + 1
            await visitor.screenshot(f"dashboard-{viewers}")
            figures = await visitor.page.evaluate(CHURN)
            print(f"{viewers} viewers:", json.dumps({name: round(value, 2) for name, value in figures.items()}))
            assert figures["frames"] > 0
            assert await visitor.page.evaluate("async () => (await import('/pages/dashboard.js')).model.peers.size") > viewers * 0.97
            await visitor.screenshot(f"dashboard-{viewers}-changing")
            await visitor.leave()
