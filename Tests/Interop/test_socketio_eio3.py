"""The server against a real client of Socket.IO 2, which speaks Engine.IO 3."""

import json
import os
import sys
from pathlib import Path

import pytest

from engine import QUIET, Endpoint, echo_server
from processes import run, running

HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="module")
def server(program):
    # In this revision the client pings, and python-engineio wants the answer within the interval.
    with echo_server(program("socketio-echo"), *QUIET, "--ping-interval", "3000") as echo:
        yield echo


@pytest.mark.parametrize("transports", ["polling", "websocket", "polling,websocket"])
def test_a_client_of_socketio_2_has_events_binary_acknowledgements_and_namespaces(server, root, transports):
    apart = root / ".venv" / "apart"
    assert (apart / "socketio").is_dir(), f"{apart} lacks python-socketio 4: run Scripts/bootstrap test"
    done = run(
        [sys.executable, str(HERE / "eio3_client.py"), f"http://127.0.0.1:{server.port}", transports],
        env={**os.environ, "PYTHONPATH": str(apart)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    word, sid = done.stdout.split()
    assert word == "ok" and len(sid) == 20


def test_a_tree_server_knows_a_client_of_engineio_3_by_the_identifier_that_the_client_derives(program):
    with running(program("peer-tree"), "serve", "--port", "0", "--json") as process:
        endpoint = Endpoint(process.event("listening")["port"], "/socket.io/", 3)
        web_socket = endpoint.web_socket()
        sid = endpoint.handshake(web_socket.receive())["sid"]
        assert web_socket.receive() == "40"
        web_socket.send('42["simple-signal[discover]",{"createNew":true}]')
        event, answer = json.loads(web_socket.receive()[2:])
        assert event == "simple-signal[discover]"
        assert answer["id"] == sid
        assert answer["discoveryData"]["peers"] == []
        web_socket.close()
