"""A client of Engine.IO made of requests and WebSockets, for tests that look at single packets."""

import contextlib
import http.client
import json
import pathlib
import queue
import re
import socket
import struct
import sys
import threading
import time

import processes
import requests
import websocket

# Pings as often as the public suites have them, and the time to answer of the product's defaults: a busy machine loses
# no session.
BEATING = ("--ping-timeout", "20000", "--connect-timeout", "45000")
# The product's defaults: no ping comes in the course of a test.
QUIET = ("--ping-interval", "25000", *BEATING)


class EchoServer:
    """A socketio-echo process on a port of its own."""

    def __init__(self, port, executable, *arguments):
        self.port = port
        self.command = [executable, *arguments, "--port", port]
        self.start()

    def start(self):
        self.running = processes.Running(self.command)
        assert self.running.line() == f"listening on port {self.port}"

    def kill(self):
        processes.end(self.running.process)

    def restart(self):
        """Kills the server and starts it again on its port."""
        self.kill()
        self.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"


@contextlib.contextmanager
def echo_server(executable, *arguments):
    """Runs a socketio-echo for the length of a block. It may be restarted, but not end by itself."""
    with processes.own_port() as port:
        server = EchoServer(port, executable, *arguments)
        try:
            yield server
            ended = server.running.process.poll()
            assert ended is None, f"socketio-echo has ended with {ended}: {server.running.error_text}"
        finally:
            server.kill()


class Endpoint:
    """One path of one server, spoken to in one revision of the protocol (None: no EIO parameter)."""

    def __init__(self, port, path="/engine.io/", revision=4):
        self.port, self.path, self.revision = port, path, revision

    def query(self, **parameters):
        pairs = {"EIO": self.revision, "transport": "polling", **parameters}
        return self.path + "?" + "&".join(f"{name}={value}" for name, value in pairs.items() if value is not None)

    def http(self, method="GET", body=None, headers=None, **parameters):
        url = f"http://127.0.0.1:{self.port}{self.query(**parameters)}"
        return requests.request(method, url, data=body, headers=headers, timeout=10)

    def web_socket(self, **parameters):
        query = self.query(**{"transport": "websocket", **parameters})
        url = f"ws://127.0.0.1:{self.port}{query}"
        return Socket(url)

    def refused_web_socket(self, **parameters):
        """The status and text with which a WebSocket is refused."""
        try:
            self.web_socket(**parameters).close()
        except websocket.WebSocketBadStatusException as error:
            return error.status_code, error.resp_body.decode()
        raise AssertionError("the WebSocket was opened")

    def open_session(self, **parameters):
        """Opens a session by polling and returns its identifier."""
        answer = self.http(**parameters)
        assert answer.status_code == 200, answer.text
        return self.handshake(answer.text)["sid"]

    def handshake(self, text):
        """The handshake inside a packet, or inside a payload of revision 3 that holds nothing else."""
        if self.revision == 3 and re.match(r"\d+:", text):
            length, text = text.split(":", 1)
            assert int(length) == len(text)
        assert text[0] == "0"
        return json.loads(text[1:])


class Socket:
    """A WebSocket whose messages are awaited; pings of the protocol are passed over on demand."""

    def __init__(self, url):
        self.socket = websocket.create_connection(url, timeout=10)

    def send(self, message):
        if isinstance(message, bytes):
            self.socket.send_binary(message)
        else:
            self.socket.send(message)

    def receive(self, skipping=()):
        """The next message but those named; None if the server closes."""
        while True:
            try:
                opcode, data = self.socket.recv_data()
            except (websocket.WebSocketConnectionClosedException, ConnectionResetError):
                return None
            if opcode == websocket.ABNF.OPCODE_CLOSE:
                return None
            message = data.decode() if opcode == websocket.ABNF.OPCODE_TEXT else data
            if message not in skipping:
                return message

    def wait_closed(self):
        """Fails if the server does not close within the time-out."""
        while self.receive() is not None:
            pass

    def close(self):
        self.socket.close()


class Poll:
    """A poll that the server has read when this returns; `.answer()` waits for its status and text."""

    def __init__(self, endpoint, sid):
        self.connection = http.client.HTTPConnection("127.0.0.1", endpoint.port, timeout=10)
        self.connection.request("GET", endpoint.query(sid=sid))
        wait_until_read(self.connection.sock)

    def answer(self):
        with contextlib.closing(self.connection):
            answer = self.connection.getresponse()
            return answer.status, answer.read().decode()

    def cancel(self):
        """Breaks the connection off, as a browser does that leaves the page."""
        self.connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


def closed_while_polling(endpoint, close, open_session=None):
    """Posts a close packet to a session with a poll; returns the session and the status and text that the poll gets."""
    while True:
        sid = (open_session or endpoint.open_session)()
        poll = Poll(endpoint, sid)
        assert endpoint.http("POST", close, sid=sid).text == "ok"
        answer = poll.answer()
        # A packet that overtakes the poll in the server, on another thread, finds nobody to tell. Then another session.
        if answer[0] != 400:
            return sid, answer


def wait_until_read(connection, timeout=10):
    """Waits until the other end, on this machine, has read all that was sent. Only Linux tells: elsewhere it is given
    half a second."""
    table = pathlib.Path("/proc/net/tcp")
    if not table.exists():
        time.sleep(0.5)
        return
    near, far = [
        f"{int.from_bytes(socket.inet_aton(host), sys.byteorder):08X}:{port:04X}"
        for host, port in (connection.getsockname(), connection.getpeername())
    ]

    def waiting(ends, column):
        """How much waits to be acknowledged (column 0), or to be read (1), at the first of both ends."""
        rows = [row.split() for row in table.read_text().splitlines()]
        return next((int(row[4].split(":")[column], 16) for row in rows if row[1:3] == ends), None)

    end = time.monotonic() + timeout
    while True:
        # What has not arrived yet waits nowhere at the other end: it must have been acknowledged first.
        unread = waiting([far, near], 1) if waiting([near, far], 0) == 0 else "not acknowledged"
        if unread == 0:
            return
        assert time.monotonic() < end, f"what was sent was not read within {timeout} s: {unread}"
        time.sleep(0.01)


class Later:
    """Runs a call in a thread; `.result()` waits for it."""

    def __init__(self, call):
        self.results = queue.Queue()
        threading.Thread(target=self._run, args=(call,), daemon=True).start()

    def _run(self, call):
        try:
            self.results.put((call(), None))
        except Exception as error:  # noqa: BLE001 - handed to whoever waits
            self.results.put((None, error))

    def result(self, timeout=10):
        value, error = self.results.get(timeout=timeout)
        if error is not None:
            raise error
        return value
