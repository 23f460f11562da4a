"""The frames of native links, written and read as the protocol article has them, by nothing of ours: tests of hostile
peers put into them what they like."""

import struct
from collections import namedtuple

LOSSLESS, PACED, LIVE = 0, 1, 2
FIRST, LAST, JOIN_POINT, RETAINED, TEXT, END_OF_STREAM = (1 << bit for bit in range(6))
LEAVING, SLOW, MOVED, PROTOCOL_ERROR, REFUSED = 1, 2, 3, 4, 5

# The largest payload of a chunk, and where sequence numbers end.
PAYLOAD = 16_356
LIMIT = 1 << 62

_CHUNK = struct.Struct(">BBHBBHQQI")

Subscribe = namedtuple("Subscribe", "stripe kind position window stream")
Subscribed = namedtuple("Subscribed", "stripe policy stream start next")
Unsubscribe = namedtuple("Unsubscribe", "stripe")
Credit = namedtuple("Credit", "is_complete limit frontier")
Ranges = namedtuple("Ranges", "is_request ranges")
Heartbeat = namedtuple("Heartbeat", "timestamp echo held")
Close = namedtuple("Close", "reason")
Inquire = namedtuple("Inquire", "")
Head = namedtuple("Head", "next")
Restart = namedtuple("Restart", "stripe next")
Pulse = namedtuple("Pulse", "next clock")
Chunk = namedtuple("Chunk", "flags stripe key sequence timestamp index width payload")
# A signed chunk: where its place in the block, the signature and the payload begin in the frame.
Signed = namedtuple("Signed", "chunk place signature payload")
Said = namedtuple("Said", "is_head frame")
Other = namedtuple("Other", "frame")


def subscribe(start=None, window=1024, stream=0, stripe=0):
    """Asks for the stream from a number on, or from the newest join point."""
    return struct.pack(">BBBBQIQ", 0x01, stripe, 0 if start is None else 1, 0, start or 0, window, stream)


def subscribed(policy, stream, start, next=None, stripe=0):
    return struct.pack(">BBBBQQQ", 0x02, stripe, policy, 0, stream, start, start if next is None else next)


def credit(limit, frontier, is_complete=False):
    return struct.pack(">BBQQ", 0x04, is_complete, limit, frontier)


def request(*ranges):
    return struct.pack(">BB", 0x05, len(ranges)) + b"".join(struct.pack(">QQ", *range) for range in ranges)


def unavailable(*ranges):
    return b"\x06" + request(*ranges)[1:]


def skip(start, end, stripe=0):
    return struct.pack(">BBQQ", 0x07, stripe, start, end)


def heartbeat(timestamp=0, echo=0, held=0):
    return struct.pack(">BBQQI", 0x08, 0, timestamp, echo, held)


def close(reason):
    return struct.pack(">BB", 0x09, reason)


def inquire():
    return b"\x0a\x00"


def head(next):
    return struct.pack(">BBQ", 0x0B, 0, next)


def restart(next, stripe=0):
    return struct.pack(">BBQ", 0x0C, stripe, next)


def pulse(next, clock):
    return struct.pack(">BBQQ", 0x0F, 0, next, clock)


def chunk(sequence, payload=b"", flags=FIRST | LAST, timestamp=0, index=0, width=0, stripe=0, key=0):
    """A piece of the stream, of a row of so many chunks."""
    return _CHUNK.pack(0x10, _CHUNK.size, flags, stripe, width, key, sequence, timestamp, index) + payload


def _varint(frame, at):
    """The number at a place (RFC 9000, section 16), and where it ends."""
    length = 1 << (frame[at] >> 6)
    return int.from_bytes(frame[at : at + length]) & ((1 << 8 * length - 2) - 1), at + length


def signed(frame):
    """Reads a signed chunk."""
    flags, stripe, width = struct.unpack_from(">HBB", frame, 1)
    sequence, at = _varint(frame, 5)
    (timestamp,) = struct.unpack_from(">Q", frame, at)
    index, at = _varint(frame, at + 8)
    key = 0
    if flags & RETAINED:
        (key,), at = struct.unpack_from(">H", frame, at), at + 2
    _, place = _varint(frame, at + 16)
    position, count, at = frame[place], frame[place + 1] & 0x7F, place + 2
    if position > 0:
        (first,) = struct.unpack_from(">H", frame, at)
        at += 2 + (2 if first & RETAINED else 0) + (8 if frame[place + 1] & 0x80 else 0)
    row = width or 1
    payload = at + 64 + 32 * (path_length(position % row, row) + path_length(position // row, count // row))
    return Signed(Chunk(flags, stripe, key, sequence, timestamp, index, width, frame[payload:]), place, at, payload)


def path_length(position, count):
    """How many hashes lead from one of so many leaves of a Merkle tree to the root."""
    last, length = count - 1, 0
    while last > 0:
        length += position & 1 == 1 or position < last
        position, last = position >> 1, last >> 1
    return length


def parse(frame):
    kind, second = frame[0], frame[1]
    if kind == 0x01:
        start, _, position, window, stream = struct.unpack_from(">BBQIQ", frame, 2)
        return Subscribe(second, start, position, window, stream)
    if kind == 0x02:
        policy, _, *rest = struct.unpack_from(">BBQQQ", frame, 2)
        return Subscribed(second, policy, *rest)
    if kind == 0x03:
        return Unsubscribe(second)
    if kind == 0x04:
        return Credit(bool(second & 1), *struct.unpack_from(">QQ", frame, 2))
    if kind in (0x05, 0x06):
        numbers = struct.unpack_from(f">{2 * second}Q", frame, 2)
        return Ranges(kind == 0x05, list(zip(numbers[::2], numbers[1::2])))
    if kind == 0x08:
        return Heartbeat(*struct.unpack_from(">QQI", frame, 2))
    if kind == 0x09:
        return Close(second)
    if kind == 0x0A:
        return Inquire()
    if kind == 0x0B:
        return Head(*struct.unpack_from(">Q", frame, 2))
    if kind == 0x0C:
        return Restart(second, *struct.unpack_from(">Q", frame, 2))
    if kind == 0x0F:
        return Pulse(*struct.unpack_from(">QQ", frame, 2))
    if kind == 0x10:
        _, length, flags, stripe, width, key, sequence, timestamp, index = _CHUNK.unpack_from(frame)
        return Chunk(flags, stripe, key, sequence, timestamp, index, width, frame[length:])
    if kind == 0x11:
        return signed(frame).chunk
    if kind in (0x12, 0x13):
        return Said(kind == 0x12, frame)
    return Other(frame)
