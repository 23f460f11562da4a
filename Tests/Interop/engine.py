"""A client of Engine.IO made of requests and WebSockets, for tests that look at single packets."""

import json
import queue
import re
import subprocess
import threading

import requests
import websocket


class EchoServer:
    """A socketio-echo process on a free port."""

    def __init__(self, executable, *arguments):
        self.command = [executable, *arguments]
        self.port = 0
        self.start()

    def start(self):
        command = [*self.command, "--port", str(self.port)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        self.port = int(re.fullmatch(r"listening on port (\d+)\n", line).group(1))

    def restart(self):
        """Kills the server and starts it again on its port."""
        self.process.kill()
        self.process.wait()
        self.start()

    def close(self):
        ended = self.process.poll()
        self.process.kill()
        self.process.wait()
        assert ended is None, f"socketio-echo has ended with {ended}"


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
