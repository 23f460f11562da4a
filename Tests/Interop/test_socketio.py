"""The Socket.IO library against python-socketio, as its server and as its client.

Run with: python3 -m pytest Tests/Interop/test_socketio.py
It needs python-socketio, aiohttp, requests and websocket-client, and a built socketio-echo
(swift build --product socketio-echo); SOCKETIO_ECHO may name the executable.
"""

import asyncio
import json
import os
import pathlib
import queue
import re
import subprocess
import threading
import time

import pytest
import requests
import socketio
from aiohttp import web

ROOT = pathlib.Path(__file__).resolve().parents[2]
ECHO = os.environ.get("SOCKETIO_ECHO", str(ROOT / ".build" / "debug" / "socketio-echo"))
TRANSPORTS = [["polling"], ["websocket"], ["polling", "websocket"]]


class Echo:
    """A socketio-echo server that can be killed and started again on its port."""

    def __init__(self, *arguments):
        self.arguments = arguments
        self.port = 0
        self.start()

    def start(self):
        command = [ECHO, "--port", str(self.port), *self.arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        self.port = int(re.fullmatch(r"listening on port (\d+)\n", line).group(1))

    def kill(self):
        self.process.kill()
        self.process.wait()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"


@pytest.fixture
def echo():
    server = Echo()
    yield server
    assert server.process.poll() is None, "the server has ended"
    server.kill()


def connect(echo, transports, **options):
    client = socketio.SimpleClient()
    client.connect(echo.url, transports=transports, **options)
    return client


@pytest.mark.parametrize("transports", TRANSPORTS)
def test_events_binary_and_acknowledgements(echo, transports):
    client = connect(echo, transports, auth={"token": "123"})
    assert client.receive(timeout=5) == ["auth", {"token": "123"}]
    assert client.transport == transports[-1]
    for arguments in [(1, "2", {"3": [True]}), ("é😀", None, 1.5), (b"\x01\x02\x03", {"b": [b"\x04"]})]:
        client.emit("message", arguments)
        assert client.receive(timeout=5) == ["message-back", *arguments]
        assert client.call("message-with-ack", arguments, timeout=5) == arguments
    large = "x" * 200_000
    client.emit("message", large)
    assert client.receive(timeout=5) == ["message-back", large]
    client.disconnect()


@pytest.mark.parametrize("transports", TRANSPORTS)
def test_heartbeats_keep_a_session_alive(echo, transports):
    client = connect(echo, transports)
    assert client.receive(timeout=5) == ["auth", {}]
    sid = client.sid
    time.sleep(2)  # several ping intervals and time-outs of 300 and 200 ms
    client.emit("message", "still here")
    assert client.receive(timeout=5) == ["message-back", "still here"]
    assert client.sid == sid
    client.disconnect()


@pytest.mark.parametrize("transports", TRANSPORTS)
def test_namespaces_and_connect_errors(echo, transports):
    client = socketio.Client()
    received = queue.Queue()
    for namespace in ["/", "/custom"]:
        client.on("auth", lambda data, n=namespace: received.put((n, data)), namespace=namespace)
        client.on("message-back", lambda *data, n=namespace: received.put((n, *data)), namespace=namespace)
    client.connect(echo.url, transports=transports, namespaces=["/", "/custom"], auth={"a": 1})
    assert {received.get(timeout=5)[0] for _ in range(2)} == {"/", "/custom"}
    client.emit("message", "here", namespace="/custom")
    assert received.get(timeout=5) == ("/custom", "here")
    assert client.get_sid("/") != client.get_sid("/custom")
    client.disconnect()

    refused = socketio.Client()
    errors = queue.Queue()
    refused.on("connect_error", errors.put, namespace="/random")
    with pytest.raises(socketio.exceptions.ConnectionError):
        refused.connect(echo.url, transports=transports, namespaces=["/random"])
    assert errors.get(timeout=5) == {"message": "Invalid namespace"}


@pytest.mark.parametrize("transports", TRANSPORTS)
def test_a_client_comes_back_when_the_server_was_killed(transports):
    echo = Echo()
    client = socketio.Client(reconnection_delay=0.1, reconnection_delay_max=0.5)
    connected, back = queue.Queue(), queue.Queue()
    client.on("auth", connected.put)
    client.on("message-back", back.put)
    client.connect(echo.url, transports=transports)
    connected.get(timeout=5)
    first = client.get_sid()
    echo.kill()
    echo.start()
    connected.get(timeout=20)
    assert client.get_sid() != first
    client.emit("message", "again")
    assert back.get(timeout=5) == "again"
    client.disconnect()
    echo.kill()


def test_an_engine_only_server_echoes_messages():
    echo = Echo("--engine-only")
    endpoint = f"{echo.url}/engine.io/?EIO=4&transport=polling"
    opened = requests.get(endpoint)
    assert opened.status_code == 200 and opened.text.startswith("0")
    handshake = json.loads(opened.text[1:])
    assert list(handshake) == ["sid", "upgrades", "pingInterval", "pingTimeout", "maxPayload"]
    assert handshake["upgrades"] == ["websocket"] and handshake["pingInterval"] == 300
    assert handshake["pingTimeout"] == 200 and handshake["maxPayload"] == 1000000
    session = f"{endpoint}&sid={handshake['sid']}"
    assert requests.post(session, "4hello\x1ebAQIDBA==").text == "ok"
    assert requests.get(session).text == "4hello\x1ebAQIDBA=="
    for _ in range(3):
        assert requests.get(session).text == "2"
        assert requests.post(session, "3").text == "ok"
    assert requests.post(session, "abc").status_code == 400
    assert requests.get(session).json() == {"code": 1, "message": "Session ID unknown"}
    silent = json.loads(requests.get(endpoint).text[1:])["sid"]
    time.sleep(0.7)
    assert requests.post(f"{endpoint}&sid={silent}", "3").status_code == 400
    echo.kill()


class PythonServer:
    """A python-socketio server on aiohttp, in a thread of its own."""

    def __init__(self):
        self.events = queue.Queue()
        self.ready = threading.Event()
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.run, daemon=True).start()
        assert self.ready.wait(10)

    def run(self):
        asyncio.set_event_loop(self.loop)
        self.io = io = socketio.AsyncServer(async_mode="aiohttp", ping_interval=0.3, ping_timeout=2)

        @io.event
        async def connect(sid, environ, auth):
            if auth != {"token": "secret"}:
                raise ConnectionRefusedError("bad token")
            self.events.put(("connect", sid))

        @io.event
        async def hello(sid, *arguments):
            self.events.put(("hello", *arguments))
            return "welcome", b"\x05"

        @io.on("*")
        async def anything(event, sid, *arguments):
            self.events.put((event, *arguments))

        @io.event
        async def disconnect(sid, reason):
            self.events.put(("disconnect", reason))

        async def start():
            app = web.Application()
            io.attach(app)
            runner = web.AppRunner(app)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self.port = site._server.sockets[0].getsockname()[1]
            self.ready.set()

        self.loop.create_task(start())
        self.loop.run_forever()

    def call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(10)


class OurClient:
    """socketio-echo in its client mode; its lines as a queue."""

    def __init__(self, url, transports):
        command = [ECHO, "--client", url, "--transports", ",".join(transports)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.lines = queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))

    def expect(self, beginning):
        line = self.lines.get(timeout=10)
        assert line.startswith(beginning), line
        return line

    def kill(self):
        self.process.kill()
        self.process.wait()


@pytest.mark.parametrize("transports", TRANSPORTS)
def test_our_client_with_a_python_server(transports):
    server = PythonServer()
    client = OurClient(f"http://127.0.0.1:{server.port}", transports)
    try:
        kind, sid = server.events.get(timeout=10)
        assert kind == "connect"
        assert client.expect("connect ") == f"connect {sid}"
        assert server.events.get(timeout=5) == ("hello", 1, "two", b"\x03\x04")
        assert client.expect("acknowledged") == 'acknowledged ["welcome",{"bytes":[5]}]'
        server.call(server.io.emit("news", ("text", {"b": b"\x01\x02"}), to=sid))
        assert client.expect("event") == 'event news ["text",null]'.replace("null", '{"b":null}')
        assert server.events.get(timeout=5) == ("news-back", "text", {"b": b"\x01\x02"})
        assert server.call(server.io.call("question", b"\x07", to=sid, timeout=5)) == b"\x07"
        assert client.expect("event") == 'event question [{"bytes":[7]}]'
        server.events.get(timeout=5)
        time.sleep(1)  # several pings
        assert server.events.empty() and client.lines.empty()
        server.call(server.io.disconnect(sid))
        assert client.expect("disconnect") == "disconnect io server disconnect"
        assert server.events.get(timeout=5)[0] == "disconnect"
    finally:
        client.kill()


def test_our_client_is_told_of_a_refusal():
    server = PythonServer()
    server.io.handlers["/"]["connect"] = lambda *_: False
    client = OurClient(f"http://127.0.0.1:{server.port}", ["websocket"])
    try:
        client.expect("connect_error ")
    finally:
        client.kill()
