"""A stand-in for the server of the original peer-tree: simple-signal-server 2.x over Socket.IO, and its placement.

It knows nothing of our events and drops members that it does not know; metadata passes. As the original it searches the
whole tree for the shallowest free slot, leaves a peer's old place standing when it discovers its tree again, drops a
departed peer with its whole subtree, and tells no one. Prints one JSON object with its port, then one per discovery.
"""

import argparse
import asyncio
import json
import secrets

import socketio
from aiohttp import web

ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"


class Node:
    def __init__(self, peer, capacity):
        self.peer = peer
        self.capacity = capacity
        self.children = []


class OriginalServer:
    def __init__(self, k, k1):
        self.k = k
        self.k1 = k1
        self.trees = {}
        self.known = set()
        self.io = socketio.AsyncServer(async_mode="aiohttp", cors_allowed_origins="*")
        self.io.on("disconnect", self.disconnected)
        for name, handler in [
            ("discover", self.discover),
            ("offer", self.offer),
            ("signal", self.signal),
            ("reject", self.reject),
        ]:
            self.io.on(f"simple-signal[{name}]", handler)
        self.io.on("*", self.unknown)

    async def unknown(self, name, peer, *arguments):
        print(json.dumps({"event": "unknown", "name": name}), flush=True)

    async def discover(self, peer, data=None):
        self.known.add(peer)
        if not data:
            await self.emit("discover", {"id": None, "discoveryData": {"err": "no discoveryData"}}, peer)
            return
        if data.get("createNew"):
            tree = "c" + "".join(secrets.choice(ALPHABET) for _ in range(24))
            self.trees[tree] = Node(peer, self.k1)
            answer = {"peers": [], "treeID": tree}
        elif data.get("treeID") in self.trees:
            answer = {"peers": [self.place(peer, data["treeID"])], "treeID": data["treeID"]}
        else:
            answer = {"err": "Tree does not exist."}
        print(json.dumps({"event": "discover", "id": peer, **answer}), flush=True)
        await self.emit("discover", {"id": peer, "discoveryData": answer}, peer)

    def place(self, peer, tree):
        level = [self.trees[tree]]
        while True:
            for node in level:
                if len(node.children) < node.capacity:
                    node.children.append(Node(peer, self.k))
                    return node.peer
            level = [child for node in level for child in node.children]

    async def disconnected(self, peer, reason=None):
        self.known.discard(peer)
        for tree, root in list(self.trees.items()):
            if root.peer == peer:
                del self.trees[tree]
                continue
            level = [root]
            while level:
                for node in level:
                    node.children = [child for child in node.children if child.peer != peer]
                level = [child for node in level for child in node.children]

    async def offer(self, peer, data):
        await self.relay("offer", {"initiator": peer, "sessionId": data["sessionId"], "signal": data["signal"]}, data)

    async def signal(self, peer, data):
        await self.relay("signal", {"sessionId": data["sessionId"], "signal": data["signal"]}, data)

    async def reject(self, peer, data):
        await self.relay("reject", {"sessionId": data["sessionId"]}, data)

    async def relay(self, name, frame, data):
        if data["target"] not in self.known:
            return
        if "metadata" in data:
            frame["metadata"] = data["metadata"]
        await self.emit(name, frame, data["target"])

    async def emit(self, name, payload, peer):
        await self.io.emit(f"simple-signal[{name}]", payload, to=peer)


async def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--k", type=int, default=4)
    parser.add_argument("--k1", type=int, default=10)
    arguments = parser.parse_args()
    server = OriginalServer(arguments.k, arguments.k1)
    application = web.Application()
    server.io.attach(application)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(json.dumps({"event": "listening", "port": site._server.sockets[0].getsockname()[1]}), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
