"""UDP between two peers that loses and reorders. The peers' descriptions lead each of them to it."""

import asyncio
import random
import re

CANDIDATE = re.compile(r"^a=candidate:\S+ 1 udp \d+ (\d+\.\d+\.\d+\.\d+) (\d+) typ host.*$", re.MULTILINE | re.IGNORECASE)
ANY_CANDIDATE = re.compile(r"^a=candidate:.*\r?\n", re.MULTILINE)


# So many in a row are lost each way: Pion doubles its time-out to a minute, and a fifth of all datagrams lost now and then
# takes five of its attempts in a row.
LONGEST_RUN = 2


class LossyPath:
    """Two doors, one before each peer: what comes in by one goes out by the other. All accidents follow from the seed."""

    def __init__(self, seed):
        self.seed = seed
        self.random = random.Random(seed)
        self.loss = 0.0
        self.reordering = 0.0
        self.lost = 0
        self.run = [0, 0]
        self.doors = []
        self.homes = [None, None]

    @classmethod
    async def open(cls, seed):
        path = cls(seed)
        for side in (0, 1):
            made = asyncio.get_running_loop().create_datagram_endpoint(
                lambda side=side: Door(path, side), local_addr=("0.0.0.0", 0)
            )
            path.doors.append((await made)[0])
        return path

    def close(self):
        for door in self.doors:
            door.close()

    def redirect(self, sdp, side):
        """The description of the peer on this side, as the other gets it: with the other's door as its only candidate."""
        hosts = [(ip, int(port)) for ip, port in CANDIDATE.findall(sdp)]
        assert hosts, f"no candidate of IPv4 in:\n{sdp}"
        # Not every stack uses the loopback.
        ip, port = next((host for host in hosts if not host[0].startswith("127.")), hosts[0])
        self.homes[side] = self.homes[side] or (ip, port)
        door = self.doors[1 - side].get_extra_info("sockname")[1]
        candidate = f"a=candidate:1 1 udp 2130706431 {ip} {door} typ host\r\n"
        first = ANY_CANDIDATE.search(sdp).start()
        return ANY_CANDIDATE.sub("", sdp[:first]) + candidate + ANY_CANDIDATE.sub("", sdp[first:])

    def take(self, datagram, sender, side):
        self.homes[side] = sender
        target = self.homes[1 - side]
        if target is None:
            return
        is_lost, is_late = self.random.random() < self.loss, self.random.random() < self.reordering
        if is_lost and self.run[side] < LONGEST_RUN:
            self.lost += 1
            self.run[side] += 1
            return
        self.run[side] = 0
        if is_late:
            asyncio.get_running_loop().call_later(0.01, self.send, datagram, 1 - side)
        else:
            self.send(datagram, 1 - side)

    def send(self, datagram, side):
        if not self.doors[side].is_closing():
            self.doors[side].sendto(datagram, self.homes[side])


class Door(asyncio.DatagramProtocol):
    def __init__(self, path, side):
        self.path = path
        self.side = side

    def datagram_received(self, data, addr):
        self.path.take(data, addr, self.side)
