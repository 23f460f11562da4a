"""One role of the transport benchmark, played with aiortc: see README.md for the roles and the lines."""

import argparse
import asyncio
import json
import sys
import time

import aioice.ice
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

HIGH_MARK, LOW_MARK = 1 << 20, 1 << 19

# All programs compared use the IPv4 loopback; aioice would leave it out.
aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]


def say(**line):
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


class Peer:
    def __init__(self, options):
        self.options = options
        self.message = b"Z" * options.size
        self.count = 0
        self.connections = []
        self.channels = []
        self.answered = {}
        self.upstream = None
        self.open = 0

    @property
    def expected(self):
        """Channels that have to be open before the role can begin."""
        return {"relay": self.options.children + 1, "source": self.options.children}.get(self.options.role, 1)

    def opened(self):
        self.open += 1
        if self.open == self.expected:
            say(event="open")

    async def offer(self, index, opened):
        connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.connections.append(connection)
        channel = connection.createDataChannel("bench")
        channel.bufferedAmountLowThreshold = LOW_MARK
        self.channels.append(channel)
        channel.on("open", opened)
        self.answered[index] = asyncio.get_running_loop().create_future()
        await connection.setLocalDescription(await connection.createOffer())
        say(offer=connection.localDescription.sdp, link=index)
        answer = await self.answered[index]
        await connection.setRemoteDescription(RTCSessionDescription(sdp=answer, type="answer"))
        return channel

    async def answer(self, sdp, link):
        connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.connections.append(connection)
        connection.on("datachannel", self.adopt)
        await connection.setRemoteDescription(RTCSessionDescription(sdp=sdp, type="offer"))
        await connection.setLocalDescription(await connection.createAnswer())
        say(answer=connection.localDescription.sdp, link=link)
        if self.options.role == "relay":
            for index in range(self.options.children):
                await self.offer(index, self.opened)

    def adopt(self, channel):
        self.upstream = channel
        channel.on("message", self.received)
        if self.options.role != "accept":
            self.opened()

    def received(self, message):
        self.count += len(message)
        if self.options.role == "pong":
            self.upstream.send(message)
        elif self.options.role == "relay":
            for channel in self.channels:
                channel.send(message)

    async def source(self):
        for index in range(self.options.children):
            await self.offer(index, self.opened)
        await self.started.wait()
        while True:
            for channel in self.channels:
                if channel.bufferedAmount > HIGH_MARK:
                    low = asyncio.Event()
                    channel.once("bufferedamountlow", low.set)
                    await low.wait()
                channel.send(self.message)
            self.count += len(self.message)
            await asyncio.sleep(0)

    async def ping(self):
        channel = await self.offer(0, self.opened)
        replies = asyncio.Queue()
        channel.on("message", replies.put_nowait)
        await self.started.wait()
        samples, warm_up = [], self.options.count // 10
        for number in range(self.options.count + warm_up):
            begin = time.perf_counter()
            channel.send(self.message)
            await replies.get()
            if number >= warm_up:
                samples.append((time.perf_counter() - begin) * 1e6)
        samples.sort()
        say(p50=samples[len(samples) // 2], p99=samples[len(samples) * 99 // 100])

    async def dial(self):
        await self.started.wait()
        begin, samples, slots = time.perf_counter(), [], asyncio.Semaphore(self.options.parallel)
        finished = asyncio.Event()

        async def one(index):
            async with slots:
                offered, opened = time.perf_counter(), asyncio.Event()
                await self.offer(index, opened.set)
                await opened.wait()
                samples.append((time.perf_counter() - offered) * 1e6)
            if len(samples) == self.options.count:
                finished.set()

        tasks = [asyncio.create_task(one(index)) for index in range(self.options.count)]
        await finished.wait()
        await asyncio.gather(*tasks)
        seconds = time.perf_counter() - begin
        samples.sort()
        say(p50=samples[len(samples) // 2], p99=samples[len(samples) * 99 // 100], seconds=seconds)

    async def run(self):
        self.started = asyncio.Event()
        work = {"source": self.source, "ping": self.ping, "dial": self.dial}.get(self.options.role)
        tasks = [asyncio.create_task(work())] if work else []
        reader = asyncio.StreamReader(limit=1 << 20)
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while text := await reader.readline():
            line = json.loads(text)
            if "offer" in line:
                tasks.append(asyncio.create_task(self.answer(line["offer"], line.get("link", 0))))
            elif "answer" in line:
                self.answered[line.get("link", 0)].set_result(line["answer"])
            elif line.get("command") == "start":
                self.started.set()
            elif line.get("command") == "report":
                say(event="report", bytes=self.count, cpu=time.process_time())


def main():
    parser = argparse.ArgumentParser()
    roles = ["source", "relay", "sink", "ping", "pong", "dial", "accept"]
    parser.add_argument("role", choices=roles)
    parser.add_argument("--children", type=int, default=1)
    parser.add_argument("--size", type=int, default=16384)
    parser.add_argument("--count", type=int, default=10000)
    parser.add_argument("--parallel", type=int, default=1)
    asyncio.run(Peer(parser.parse_args()).run())


if __name__ == "__main__":
    main()
