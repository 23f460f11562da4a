"""What a hostile member of a tree does, one behaviour a function, and what has to be true afterwards.

Each gets STAGE, which opens a scene whose victim is of the kind under test: a native viewer, or a browser.
"""

import asyncio
import functools
import time
from contextlib import asynccontextmanager

import wire
from stage import RECOVERY, eventually


# As a parent: source, liar, victim, and an honest viewer below the victim.


async def truthful_relay(stage):
    """Nothing at all: what follows would prove little if a relay made by the protocol article were not one."""
    async with stage() as scene:
        relay = await scene.relay()
        await scene.feed()
        await scene.victim()
        await scene.bystander()
        await scene.feed()
        await scene.everybody_is_whole()
        await relay.vanish()
        await scene.everybody_goes_on()


async def far_number(stage, sequence):
    """One chunk far ahead of all that can be."""
    await tell_a_lie(stage, wire.chunk(sequence, bytes(100)))


async def far_end(stage):
    """The end of the stream, far ahead."""
    await tell_a_lie(stage, wire.chunk(1 << 40, flags=wire.FIRST | wire.LAST | wire.END_OF_STREAM))


async def wild_skips(stage):
    """New streams that are skipped to their ends: the sum of four is more than a number holds."""
    rounds = [(wire.subscribed(wire.LIVE, stream, 0), wire.skip(0, wire.LIMIT - 1)) for stream in range(1, 9)]
    await tell_a_lie(stage, *(frame for frames in rounds for frame in frames))


async def replaced_streams(stage):
    """One new stream after the other, to a child that has asked for none."""
    streams = [wire.subscribed(wire.LOSSLESS, stream, stream * 1000) for stream in range(1, 65)]
    await tell_a_lie(stage, *streams)


async def tell_a_lie(stage, *frames):
    """Sends a child something that cannot be, and goes. Nothing is missing at the victim or below."""
    async with stage() as scene:
        liar = await scene.relay()
        await scene.victim()
        await scene.bystander()
        await scene.feed()
        await scene.everybody_is_whole()
        (await liar.child()).send(*frames)
        await scene.feed()
        await liar.vanish()
        await scene.everybody_goes_on()


async def another_stream(stage):
    """A stream of its own making, from the first. Who took it gets the true one once the liar is gone, after one gap."""
    async with stage() as scene:
        liar = await scene.liar()
        liar.greets_children = False
        await liar.attach()
        await scene.feed()
        forged = bytes(1000)

        async def feed_forgery():
            child = await liar.child()
            child.send(wire.subscribed(wire.LOSSLESS, 1, 70_000), *(wire.chunk(70_000 + n, forged) for n in range(5)))

        feeding = asyncio.create_task(feed_forgery())
        victim = await scene.victim()
        await feeding
        await victim.ends_with(forged, RECOVERY)
        await liar.vanish()
        await scene.feed()
        await victim.ends_with(bytes(scene.sent), RECOVERY)
        await victim.reports_gaps(1)
        await scene.bystander()
        scene.check()


async def vanishing_parent(stage, is_linked):
    """Gone in the middle of it: with an offer that is not answered, or a link on which nothing comes."""
    async with stage() as scene:
        liar = await scene.liar()
        liar.greets_children = False
        liar.answers_offers = is_linked
        await liar.attach()
        await scene.feed()
        coming = asyncio.create_task(scene.victim())
        await (liar.child() if is_linked else liar.until(lambda: liar.offers))
        await liar.vanish()
        await asyncio.wait_for(coming, 5)
        await scene.everybody_goes_on()


async def withheld_stream(stage, deceit, k1):
    """Alive, linked, and forwarding next to nothing. The stream is back within 3 s: through another branch, or where there
    is none, through the grandparent. A server that has nobody else names the liar again, which changes nothing."""
    async with stage(k1=k1) as scene:
        liar = await scene.relay()
        if k1 == 2:
            await scene.bystander()
        await scene.victim()
        await scene.feed()
        await scene.everybody_is_whole()
        first = await liar.child()
        liar.relays = False
        deceiving = asyncio.create_task(deceit(liar))
        for _ in range(8):
            # Thirty messages a second.
            for _ in range(10):
                await scene.feed(1_000)
                await asyncio.sleep(1 / 30)
            await scene.everybody_is_whole(within=3)
        await asyncio.wait_for(first.closed.wait(), 3)
        deceiving.cancel()
        await liar.vanish()
        await scene.everybody_goes_on()


async def heartbeats_only(liar):
    """Links beat by themselves."""


async def slow_drip(liar):
    """The newest chunk once a second."""
    while True:
        await asyncio.sleep(1)
        for child in liar.children:
            child.send(liar.held[liar.next - 1])


async def pulses_only(liar):
    """There is nothing new, says the liar, several times a second."""
    clock = time.time_ns() // 1_000
    while True:
        clock += 200_000
        for child in liar.children:
            child.send(wire.pulse(liar.next, clock))
        await asyncio.sleep(0.2)


# As a child of the victim, beside an honest one.


async def link_flood(stage):
    """One link after the other. It is fed by one."""
    async with stage(k=2) as scene:
        victim, liar = await scene.child_of_victim()
        links = []
        for _ in range(16):
            links.append(await liar.connect(liar.place["id"]))
            links[-1].send(wire.subscribe(0))
        await scene.feed(100_000)
        await scene.everybody_is_whole()
        await asyncio.gather(*(fence(link) for link in links))
        before = sum(link.bytes for link in links)
        await scene.feed(100_000)
        await scene.everybody_is_whole()
        await asyncio.gather(*(fence(link) for link in links))
        assert sum(link.bytes for link in links) - before <= 100_000
        await liar.vanish()
        await scene.everybody_goes_on()


@asynccontextmanager
async def greedy_child(stage):
    """A child of the victim that has the whole stream coming to it, and may not get much more; then it is gone."""
    async with stage(k=2) as scene:
        victim, liar = await scene.child_of_victim()
        await scene.feed_slowly()
        link = await liar.connect(liar.place["id"])
        yield scene, liar, link
        assert link.bytes <= BUDGET * len(scene.sent)
        await liar.vanish()
        await scene.everybody_goes_on()


async def subscription_flood(stage):
    """The stream from its beginning, again and again on one link. It gets some of it again."""
    async with greedy_child(stage) as (scene, liar, link):
        for _ in range(32):
            link.send(wire.subscribe(0))
            await fence(link)


async def request_bomb(stage):
    """All there is, 32 times over, in 514 bytes. It gets some of it again, and nobody else waits for that."""
    async with greedy_child(stage) as (scene, liar, link):
        link.send(wire.subscribe(0))
        await link.next(wire.Subscribed)
        link.send(wire.credit(wire.LIMIT - 1, 0))
        await liar.until(lambda: link.bytes >= len(scene.sent))
        link.send(*[wire.request(*([(0, link.chunks)] * 32))] * 16)
        await scene.feed()
        await scene.everybody_is_whole()
        await asyncio.sleep(1)


# So many times what a child has coming to it may it get by asking again.
BUDGET = 4


async def fence(link):
    """Waits until what was asked for on a link has come: what can never be had is answered last. On a link that is
    closed, nothing comes."""
    link.send(wire.request((wire.LIMIT - 2, wire.LIMIT - 1)))
    answered = asyncio.create_task(link.next(wire.Ranges))
    closed = asyncio.create_task(link.closed.wait())
    done, rest = await asyncio.wait([answered, closed], timeout=10, return_when=asyncio.FIRST_COMPLETED)
    for task in rest:
        task.cancel()
    assert done, "a request is not answered"


async def withheld_credit(stage, patience, is_below_victim):
    """A lossless stream is let through by one chunk in nearly the time that a slow child is given. Its siblings have it
    soon all the same."""
    async with stage(k=2, k1=1 if is_below_victim else 2) as scene:
        await scene.victim()
        if is_below_victim:
            await scene.bystander()
        liar = await scene.liar()
        link = await liar.connect(liar.place["id"])
        link.send(wire.subscribe(window=1))
        await link.next(wire.Subscribed)
        began = time.monotonic()

        async def trickle():
            while not link.is_closed:
                await asyncio.sleep(0.9 * patience)
                link.send(wire.credit(link.chunks + 1, link.chunks))

        trickling = asyncio.create_task(trickle())
        # More than the window by which a stream runs ahead of a child, whatever that one asks for.
        await scene.feed(1_000_000 if is_below_victim else 20_000_000, within=patience + RECOVERY)
        await scene.everybody_is_whole()
        assert time.monotonic() - began > patience / 4, "nobody was held back"
        trickling.cancel()
        await liar.vanish()
        await scene.everybody_goes_on()


async def vanishing_children(stage):
    """Connections that never become links. There is room for honest ones."""
    async with stage(k=3) as scene:
        await scene.victim()
        for _ in range(12):
            liar = await scene.liar(capacity=0)
            await liar.connect(liar.place["id"], is_mute=True)
            await liar.leave()
        liar = await scene.liar(capacity=0)
        for _ in range(6):
            await liar.connect(liar.place["id"], is_mute=True)
        await scene.bystander()
        await scene.feed()
        await scene.everybody_is_whole()
        await liar.vanish()
        await scene.everybody_goes_on()


# As a member, toward the server.


async def two_votes(stage):
    """Complains, leaves, and comes again to complain once more. Whoever is accused stays where it is."""
    async with stage(k=4) as scene:
        await scene.victim()
        await scene.bystander()
        await scene.bystander()
        await scene.feed()
        accused = []
        for _ in range(2):
            liar = await scene.liar()
            accused.append(liar.place["id"])
            await liar.attach()
            await asyncio.sleep(VOTING_AGE)
            await liar.complain("silent")
            await liar.until(lambda: liar.assignments)
            await liar.leave()
            # As long as the accused is asked whether it is there, nobody new comes to it.
            await asyncio.sleep(PROBE_TIME)
        assert accused[0] == accused[1]
        assert scene.count("orphans") == 2
        assert scene.count("evictions") == 0
        await scene.everybody_goes_on()


# How long a member must have been there for its word to count.
VOTING_AGE = 10.2
# How long the server asks somebody who was called silent.
PROBE_TIME = 1.5


async def end_of_a_stranger(stage):
    """While the source's line is cut, its children say all that could end its tree. It goes on."""
    async with stage(k=4, k1=3) as scene:
        await scene.victim()
        await scene.feed()
        liars = [await scene.liar() for _ in range(2)]
        for liar in liars:
            await liar.attach()
        await scene.line.cut()
        for liar in liars:
            await liar.until(lambda: liar.parent.remote in liar.suspects)
            for reason in ["silent", "closed", "not-forwarding", "unreachable"]:
                await liar.complain(reason)
            await liar.emit("peer-tree[end]", treeID=scene.tree, reason="ended")
            await liar.emit("peer-tree[child-lost]", id=liar.parent.remote, reason="closed")
            await liar.emit("peer-tree[suspect]", id=liar.parent.remote)
            await liar.is_heard()
            await liar.vanish()
        await scene.feed()
        await scene.everybody_is_whole()
        await scene.line.restore()
        assert scene.count("trees_ended") == 0
        await scene.bystander()
        await scene.everybody_goes_on()


# In a signed tree.


def flipped(frame, offset):
    """The frame with another bit at OFFSET, counted from its end if that is negative."""
    changed = bytearray(frame)
    changed[offset] ^= 1
    return bytes(changed)


def overwritten(frame):
    """The frame with zeros for its payload."""
    start = wire.signed(frame).payload
    return frame[:start] + bytes(len(frame) - start)


def without_proof(frame):
    """The chunk as of a tree that is not signed."""
    chunk = wire.signed(frame).chunk
    return wire.chunk(**chunk._asdict())


FORGERIES = {
    "payload": overwritten,
    "a bit of it": functools.partial(flipped, offset=-1),
    "marks": functools.partial(flipped, offset=2),
    "block": lambda frame: flipped(frame, wire.signed(frame).place),
    "signature": lambda frame: flipped(frame, wire.signed(frame).signature),
    # Without a proof, as in a tree that is not signed.
    "no proof": without_proof,
}
# What contradicts itself, or has no proof, is malformed: so often, and the link is closed as well.
FALSE_PROOFS = ["payload", "a bit of it", "signature"]


async def forging_relay(stage, forgery):
    """A relay that has been honest changes what it passes on. It is parted with, and the stream comes by another branch."""
    async with stage(k1=2) as scene:
        forger = await scene.relay()
        await scene.bystander()
        await scene.victim()
        await scene.feed()
        await scene.everybody_is_whole()
        link = await forger.child()
        forger.tamper = FORGERIES[forgery]
        for _ in range(20):
            await scene.feed(1_000)
            await asyncio.sleep(0.03)
        await asyncio.wait_for(link.closed.wait(), 5)
        assert (await link.next(wire.Close)).reason == wire.PROTOCOL_ERROR
        # These bytes, and no others.
        await scene.everybody_is_whole()
        assert scene.count("forgeries") == (forgery in FALSE_PROOFS)
        await forger.vanish()
        await scene.everybody_goes_on()


# In a signed tree of five stripes, of which the last is parity.

STRIPES = 5


@asynccontextmanager
async def liar_above_two(stage, stripe):
    """A scene with a relay that feeds two viewers or more one stripe, and has been honest. All have been there for so long
    that their words count. Afterwards the relay has been removed from where it fed others, and nobody has missed a byte."""
    async with stage(k=2, k1=STRIPES, options=["--live", "--stripes", STRIPES, "--parity", 1]) as scene:
        # Who comes takes children where there is least room for them: in one stripe after the other.
        await scene.crowd(stripe)
        known = scene.parents()
        liar = await scene.liar(capacity=2)
        (label,) = scene.parents().keys() - known.keys()
        await liar.attach()
        await scene.crowd(9 - stripe)
        await liar.until(lambda: sum(stripe in child.stripes for child in liar.children) >= 2)
        await scene.feed_for(VOTING_AGE, 1_000)
        fed = [child for child in liar.children if stripe in child.stripes]
        yield scene, liar
        # The server takes two by their word. Whoever comes in the place of one that left finds out, too.
        end = time.monotonic() + 3 * RECOVERY
        while scene.count("evictions") == 0:
            assert time.monotonic() < end, f"still above others: {scene.parents(stripe)}"
            await scene.feed_for(1, 1_000)
        for _ in range(3):
            await scene.feed_for(1, 1_000)
            await scene.everybody_is_whole()
        assert label not in scene.parents(stripe).values()
        assert all(child.is_closed or stripe not in child.stripes for child in fed)
        assert scene.count("evictions") == 1
        await liar.vanish()
        await scene.everybody_goes_on()


async def forged_stripe(stage, forgery, stripe):
    """A relay changes what it passes on: the data of its stripe, the parity, or what proves them. All below part with it: as
    with a forger or, on a machine so busy that the relay is late, before that as with one that starves them."""
    async with liar_above_two(stage, stripe) as (_, liar):
        liar.tamper = FORGERIES[forgery]


async def swallowed_stripe(stage, stripe):
    """A relay lives, and passes nothing on. What lacks is made up, and all below leave it."""
    async with liar_above_two(stage, stripe) as (_, liar):
        liar.relays = False
