"""Relays that die, or are stopped for a while: those below them go on, and nobody misses a byte."""

import asyncio
import functools
import signal

import pytest
from stage import eventually, stage

SIZE = 1_000


@pytest.fixture
def native_stage(program, tmp_path):
    return functools.partial(stage, program("peer-tree"), tmp_path)


async def take_relay(scene):
    """Takes a viewer out of the scene that feeds another one, as that one and the server say: on a busy machine some are on
    their way from one parent to the next."""

    def relay():
        ids = {viewer.last("discover")["id"]: viewer for viewer in scene.viewers}
        parents = scene.parents()
        pairs = [(viewer, ids.get(viewer.last("upstream")["id"])) for viewer in scene.viewers]
        return next((relay for viewer, relay in pairs if relay and parents[viewer.label] == relay.label), None)

    await eventually(relay, lambda: f"nobody feeds anybody: {scene.parents()}", 10)
    relay = relay()
    scene.viewers.remove(relay)
    return relay


async def test_who_is_below_a_killed_relay_goes_on(native_stage):
    async with native_stage(k=2, k1=2) as scene:
        await scene.crowd(7)
        dead = scene.viewers.pop(0)
        feeding = asyncio.create_task(scene.feed_for(2, SIZE))
        dead.process.signal(signal.SIGKILL)
        await feeding
        await scene.everybody_is_whole(within=3)
        await scene.everybody_goes_on()


async def test_both_parents_of_everybody_may_die(native_stage):
    async with native_stage(k=2, k1=2) as scene:
        await scene.crowd(6)
        dead = [scene.viewers.pop(0), scene.viewers.pop(0)]
        feeding = asyncio.create_task(scene.feed_for(2, SIZE))
        for viewer in dead:
            viewer.process.signal(signal.SIGKILL)
        await feeding
        await scene.everybody_is_whole()
        await scene.everybody_goes_on()


async def test_the_server_finds_out_that_a_relay_hangs(native_stage):
    """Its socket is open, and would be for 45 s: whoever misses it has the server ask, and it is out of the tree."""
    async with native_stage(k=2, k1=2) as scene:
        await scene.crowd(7)
        stopped = await take_relay(scene)
        feeding = asyncio.create_task(scene.feed_for(4, SIZE))
        stopped.process.signal(signal.SIGSTOP)
        await eventually(lambda: scene.count("vanishes") == 1, lambda: f"{scene.count('probes')} were asked", 3)
        assert scene.count("probes") == 1
        await feeding
        await scene.everybody_is_whole(within=3)
        await scene.bystander()
        stopped.process.signal(signal.SIGCONT)
        scene.viewers.append(stopped)
        await scene.everybody_is_whole()
        await scene.everybody_goes_on()


async def test_a_relay_that_was_stopped_comes_back(native_stage):
    """Its neighbours part with it, and it has everything once it goes on."""
    async with native_stage(k=2, k1=2) as scene:
        await scene.crowd(7)
        stopped = scene.viewers.pop(0)
        stopped.process.signal(signal.SIGSTOP)
        await scene.feed_for(3, SIZE)
        await scene.everybody_is_whole(within=3)
        stopped.process.signal(signal.SIGCONT)
        scene.viewers.append(stopped)
        await scene.feed_for(1, SIZE)
        await scene.everybody_is_whole()
        await scene.everybody_goes_on()
