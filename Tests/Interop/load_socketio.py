"""Rough figures of a Socket.IO server: memory of idle sockets, and events a second with an echo.

python3 Tests/Interop/load_socketio.py URL_PORT SERVER_PID [SOCKETS] [SECONDS]

Run the server apart, for example
    swift build -c release --product socketio-echo
    .build/release/socketio-echo --port 3000 --ping-interval 25000 --ping-timeout 20000
Every socket speaks WebSocket by hand, joins the main namespace and answers pings. The generator is Python: quote the
events a second per core of the *server*, which is what it prints as CPU time.
"""

import asyncio
import os
import sys
import time

REQUEST = (
    b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def frame(text):
    """A client's text frame; a mask of zeros leaves the payload as it is."""
    payload = text.encode()
    assert len(payload) < 65536
    if len(payload) < 126:
        return bytes([0x81, 0x80 | len(payload), 0, 0, 0, 0]) + payload
    return bytes([0x81, 0xFE]) + len(payload).to_bytes(2, "big") + bytes(4) + payload


class Socket(asyncio.Protocol):
    """One client; `on_text` gets every message but pings."""

    def __init__(self):
        self.buffer = b""
        self.upgraded = False
        self.ready = asyncio.get_running_loop().create_future()
        self.on_text = lambda text: None

    def connection_made(self, transport):
        self.transport = transport
        transport.write(REQUEST + frame("40"))

    def data_received(self, data):
        self.buffer += data
        if not self.upgraded:
            head, separator, rest = self.buffer.partition(b"\r\n\r\n")
            if not separator:
                return
            assert head.startswith(b"HTTP/1.1 101"), head
            self.upgraded, self.buffer = True, rest
        while len(self.buffer) >= 2:
            start, length = 2, self.buffer[1]
            if length == 126:
                start, length = 4, int.from_bytes(self.buffer[2:4], "big")
            if len(self.buffer) < start + length:
                return
            opcode, text = self.buffer[0] & 15, self.buffer[start : start + length]
            self.buffer = self.buffer[start + length :]
            if opcode == 1 and text == b"2":
                self.transport.write(frame("3"))
            elif opcode == 1 and text.startswith(b"42"):
                if not self.ready.done():
                    self.ready.set_result(None)
                else:
                    self.on_text(text)


def resident(pid):
    with open(f"/proc/{pid}/smaps_rollup") as file:
        return sum(int(line.split()[1]) for line in file if line.startswith(("Rss:",))) * 1024


def cpu(pid):
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def main(port, pid, count, seconds):
    loop = asyncio.get_running_loop()
    await loop.create_connection(Socket, "127.0.0.1", port)
    await asyncio.sleep(0.5)
    before, start, cpu_before = resident(pid), time.monotonic(), cpu(pid)
    sockets = []
    while len(sockets) < count:
        batch = await asyncio.gather(
            *(loop.create_connection(Socket, "127.0.0.1", port) for _ in range(min(200, count - len(sockets))))
        )
        await asyncio.gather(*(protocol.ready for _, protocol in batch))
        sockets += [protocol for _, protocol in batch]
    elapsed, used = time.monotonic() - start, cpu(pid) - cpu_before
    print(f"{count} sockets joined: {count / elapsed:.0f} a second, {count / used:.0f} per server CPU second")
    await asyncio.sleep(2)
    print(f"memory: {(resident(pid) - before) / count:.0f} bytes a socket")
    cpu_before, start = cpu(pid), time.monotonic()
    await asyncio.sleep(10)
    print(f"idle: {(cpu(pid) - cpu_before) / (time.monotonic() - start) * 100:.2f} % of a core")
    await echo(sockets[:50], pid, seconds)
    print(f"memory after: {(resident(pid) - before) / count:.0f} bytes a socket")


async def echo(sockets, pid, seconds):
    message = frame('42["message",{"signal":{"type":"candidate","candidate":"0123456789"},"sessionId":"abcdefghij"}]')
    count = 0

    def answer(socket):
        def on_text(_):
            nonlocal count
            count += 1
            socket.transport.write(message)

        return on_text

    cpu_before, start = cpu(pid), time.monotonic()
    for socket in sockets:
        socket.on_text = answer(socket)
        socket.transport.write(message * 20)
    await asyncio.sleep(seconds)
    elapsed, used = time.monotonic() - start, cpu(pid) - cpu_before
    print(f"echo: {count / elapsed:.0f} events a second, {count / used:.0f} per server CPU second")


if __name__ == "__main__":
    arguments = [int(argument) for argument in sys.argv[1:]] + [10_000, 5][len(sys.argv) - 3 :]
    asyncio.run(main(*arguments))
