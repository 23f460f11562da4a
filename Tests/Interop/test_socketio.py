"""The Socket.IO library against python-socketio, as its server and as its client."""

import asyncio
import contextlib
import json
import queue
import threading

import pytest
import requests
import socketio
from aiohttp import web

from engine import BEATING, QUIET, echo_server
from processes import running

TRANSPORTS = [["polling"], ["websocket"], ["polling", "websocket"]]
# Seconds in which something comes that has to come, on a busy machine, too.
WAIT = 30
PING, PONG = 2, 3


@pytest.fixture
def echo(request, program):
    """A server with the limits of the product's defaults, or those in the test's parameter."""
    with echo_server(program("socketio-echo"), *getattr(request, "param", QUIET)) as server:
        yield server


def connect(echo, transports, **options):
    client = socketio.SimpleClient()
    client.connect(echo.url, transports=transports, **options)
    return client


@pytest.mark.parametrize("transports", TRANSPORTS)
def test_events_binary_and_acknowledgements(echo, transports):
    client = connect(echo, transports, auth={"token": "123"})
    assert client.receive(timeout=WAIT) == ["auth", {"token": "123"}]
    assert client.transport == transports[-1]
    for arguments in [(1, "2", {"3": [True]}), ("é😀", None, 1.5), (b"\x01\x02\x03", {"b": [b"\x04"]})]:
        client.emit("message", arguments)
        assert client.receive(timeout=WAIT) == ["message-back", *arguments]
        assert client.call("message-with-ack", arguments, timeout=WAIT) == arguments
    large = "x" * 200_000
    client.emit("message", large)
    assert client.receive(timeout=WAIT) == ["message-back", large]
    client.disconnect()


def packets(receiver, kind):
    """A queue of what `receiver` of python-engineio gets from now on that is of this kind."""
    seen = queue.Queue()
    receive = receiver._receive_packet

    def note(packet):
        if packet.packet_type == kind:
            seen.put(packet)
        return receive(packet)

    receiver._receive_packet = note
    return seen


@pytest.mark.parametrize("echo", [BEATING], indirect=True, ids=["beating"])
@pytest.mark.parametrize("transports", TRANSPORTS)
def test_heartbeats_keep_a_session_alive(echo, transports):
    client = connect(echo, transports)
    assert client.receive(timeout=WAIT) == ["auth", {}]
    sid = client.sid
    # The next ping comes only once the last was answered.
    pings = packets(client.client.eio, PING)
    for _ in range(4):
        pings.get(timeout=WAIT)
    client.emit("message", "still here")
    assert client.receive(timeout=WAIT) == ["message-back", "still here"]
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
    assert {received.get(timeout=WAIT)[0] for _ in range(2)} == {"/", "/custom"}
    client.emit("message", "here", namespace="/custom")
    assert received.get(timeout=WAIT) == ("/custom", "here")
    assert client.get_sid("/") != client.get_sid("/custom")
    client.disconnect()

    refused = socketio.Client()
    errors = queue.Queue()
    refused.on("connect_error", errors.put, namespace="/random")
    with pytest.raises(socketio.exceptions.ConnectionError):
        refused.connect(echo.url, transports=transports, namespaces=["/random"])
    assert errors.get(timeout=WAIT) == {"message": "Invalid namespace"}


@pytest.mark.parametrize("transports", TRANSPORTS)
def test_a_client_comes_back_when_the_server_was_killed(echo, transports):
    client = socketio.Client(reconnection_delay=0.1, reconnection_delay_max=0.5)
    connected, back = queue.Queue(), queue.Queue()
    client.on("auth", connected.put)
    client.on("message-back", back.put)
    client.connect(echo.url, transports=transports)
    connected.get(timeout=WAIT)
    first = client.get_sid()
    echo.restart()
    # The client gives up what takes it longer than a second when it comes back, and comes again: no option of its own.
    while True:
        connected.get(timeout=WAIT)
        try:
            client.emit("message", "again")
        except socketio.exceptions.BadNamespaceError:
            continue
        break
    assert back.get(timeout=WAIT) == "again"
    assert client.get_sid() != first
    client.disconnect()


@pytest.mark.parametrize("echo", [("--engine-only", *BEATING)], indirect=True, ids=["engine only"])
def test_an_engine_only_server_echoes_messages(echo):
    endpoint = f"{echo.url}/engine.io/?EIO=4&transport=polling"
    opened = requests.get(endpoint)
    assert opened.status_code == 200 and opened.text.startswith("0")
    handshake = json.loads(opened.text[1:])
    assert list(handshake) == ["sid", "upgrades", "pingInterval", "pingTimeout", "maxPayload"]
    assert handshake["upgrades"] == ["websocket"] and handshake["pingInterval"] == 300
    assert handshake["pingTimeout"] == 20_000 and handshake["maxPayload"] == 1000000
    session = f"{endpoint}&sid={handshake['sid']}"
    assert requests.post(session, "4hello\x1ebAQIDBA==").text == "ok"
    assert requests.get(session).text == "4hello\x1ebAQIDBA=="
    for _ in range(3):
        assert requests.get(session).text == "2"
        assert requests.post(session, "3").text == "ok"
    assert requests.post(session, "abc").status_code == 400
    assert requests.get(session).json() == {"code": 1, "message": "Session ID unknown"}


class PythonServer:
    """A python-socketio server on aiohttp, in a thread of its own."""

    def __init__(self):
        self.events = queue.Queue()
        self.ready = threading.Event()
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.run, daemon=True).start()
        assert self.ready.wait(WAIT)

    def run(self):
        asyncio.set_event_loop(self.loop)
        self.io = io = socketio.AsyncServer(async_mode="aiohttp", ping_interval=0.3, ping_timeout=20)

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
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(WAIT)


@pytest.fixture
def our_client(program):
    """our_client(URL, TRANSPORTS) is socketio-echo in its client mode."""
    with contextlib.ExitStack() as stack:

        def start(url, transports):
            command = [program("socketio-echo"), "--client", url, "--transports", ",".join(transports)]
            return stack.enter_context(running(*command))

        yield start


def expect(client, beginning):
    """The next line of a client, which has to begin so."""
    line = client.line(WAIT)
    assert line.startswith(beginning), line
    return line


@pytest.mark.parametrize("transports", TRANSPORTS)
def test_our_client_with_a_python_server(our_client, transports):
    server = PythonServer()
    client = our_client(f"http://127.0.0.1:{server.port}", transports)
    kind, sid = server.events.get(timeout=WAIT)
    assert kind == "connect"
    assert expect(client, "connect ") == f"connect {sid}"
    assert server.events.get(timeout=WAIT) == ("hello", 1, "two", b"\x03\x04")
    assert expect(client, "acknowledged") == 'acknowledged ["welcome",{"bytes":[5]}]'
    server.call(server.io.emit("news", ("text", {"b": b"\x01\x02"}), to=sid))
    assert expect(client, "event") == 'event news ["text",null]'.replace("null", '{"b":null}')
    assert server.events.get(timeout=WAIT) == ("news-back", "text", {"b": b"\x01\x02"})
    assert server.call(server.io.call("question", b"\x07", to=sid, timeout=WAIT)) == b"\x07"
    assert expect(client, "event") == 'event question [{"bytes":[7]}]'
    server.events.get(timeout=WAIT)
    pongs = queue.Queue()
    connection = next(iter(server.io.eio.sockets.values()))
    receive = connection.receive

    async def note(packet):
        pongs.put(packet.packet_type)
        await receive(packet)

    connection.receive = note
    for _ in range(3):
        assert pongs.get(timeout=WAIT) == PONG
    assert server.events.empty() and client.lines.empty()
    server.call(server.io.disconnect(sid))
    assert expect(client, "disconnect") == "disconnect io server disconnect"
    assert server.events.get(timeout=WAIT)[0] == "disconnect"


def test_our_client_is_told_of_a_refusal(our_client):
    server = PythonServer()
    server.io.handlers["/"]["connect"] = lambda *_: False
    expect(our_client(f"http://127.0.0.1:{server.port}", ["websocket"]), "connect_error ")
