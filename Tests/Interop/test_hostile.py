"""What strangers in the tree may do to honest native peers: nothing that lasts. See hostile_acts.py."""

import functools

import pytest
import wire

pytest.register_assert_rewrite("hostile_acts", "stage")
import hostile_acts as acts  # noqa: E402
from stage import stage  # noqa: E402

ACTS = {
    "a truthful relay": acts.truthful_relay,
    "a number of 2^62 - 10": functools.partial(acts.far_number, sequence=wire.LIMIT - 10),
    "a number 2^32 ahead": functools.partial(acts.far_number, sequence=1 << 32),
    "an end far ahead": acts.far_end,
    "wild skips": acts.wild_skips,
    "replaced streams": acts.replaced_streams,
    "another stream": acts.another_stream,
    "a parent that vanishes before it answers": functools.partial(acts.vanishing_parent, is_linked=False),
    "a parent that vanishes before it feeds": functools.partial(acts.vanishing_parent, is_linked=True),
    "heartbeats only": functools.partial(acts.withheld_stream, deceit=acts.heartbeats_only, k1=2),
    "heartbeats only, where nobody else is": functools.partial(
        acts.withheld_stream, deceit=acts.heartbeats_only, k1=1
    ),
    "a slow drip": functools.partial(acts.withheld_stream, deceit=acts.slow_drip, k1=2),
    "a slow drip, where nobody else is": functools.partial(acts.withheld_stream, deceit=acts.slow_drip, k1=1),
    "pulses only": functools.partial(acts.withheld_stream, deceit=acts.pulses_only, k1=2),
    "a flood of links": acts.link_flood,
    "a flood of subscriptions": acts.subscription_flood,
    "a request bomb": acts.request_bomb,
    "withheld credit": functools.partial(acts.withheld_credit, patience=10, is_below_victim=False),
    "children that vanish": acts.vanishing_children,
    "two votes": acts.two_votes,
    "an end to a stranger's tree": acts.end_of_a_stranger,
}


@pytest.fixture
def native_stage(program, tmp_path):
    return functools.partial(stage, program("peer-tree"), tmp_path)


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
async def test_honest_peers_outlast(native_stage, act):
    await act(native_stage)
