"""Streams in several stripes of which one is parity: whoever dies, nobody misses a byte, and nobody waits."""

import asyncio
import functools
import signal

import pytest
from stage import stage

SIZE = 4_000
PARITY = ["--live", "--stripes", 4, "--parity", 1]


@pytest.fixture
def native_stage(program, tmp_path):
    return functools.partial(stage, program("peer-tree"), tmp_path)


def relays(scene, stripe):
    """Those that feed others in a stripe."""
    fed = scene.parents(stripe)
    return [viewer for viewer in scene.viewers if viewer.label in fed.values()]


@pytest.mark.parametrize("identity", [False, True], ids=["unsigned", "signed"])
async def test_relays_of_every_stripe_are_killed_in_turn(native_stage, tmp_path, identity):
    async with native_stage(k=2, k1=4, identity=identity and tmp_path / "key", options=PARITY) as scene:
        await scene.crowd(9)
        feeding = asyncio.create_task(scene.feed_for(8, SIZE))
        for stripe in range(4):
            await asyncio.sleep(1)
            relay = next(iter(relays(scene, stripe)), None)
            assert relay, f"nobody feeds anybody in stripe {stripe}: {scene.parents(stripe)}"
            scene.viewers.remove(relay)
            relay.process.signal(signal.SIGKILL)
        await feeding
        await scene.everybody_is_whole()
        await scene.everybody_goes_on()


async def test_everybody_goes_on_where_half_of_all_die_at_once(native_stage):
    async with native_stage(k=2, k1=4, options=PARITY) as scene:
        await scene.crowd(8)
        dead = [scene.viewers.pop(0) for _ in range(4)]
        feeding = asyncio.create_task(scene.feed_for(3, SIZE))
        for viewer in dead:
            viewer.process.signal(signal.SIGKILL)
        await feeding
        await scene.everybody_is_whole()
        await scene.everybody_goes_on()


async def test_who_joins_and_leaves_all_the_time_costs_nobody_a_byte(native_stage):
    async with native_stage(k=2, k1=4, options=PARITY) as scene:
        await scene.crowd(6)
        feeding = asyncio.create_task(scene.feed_for(6, SIZE))
        for _ in range(4):
            await scene.bystander()
            leaver = scene.viewers.pop(0)
            leaver.process.signal(signal.SIGTERM)
        await feeding
        await scene.everybody_is_whole()
        await scene.everybody_goes_on()
