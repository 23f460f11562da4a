"""Socket.IO 5, and its older revision for clients of Engine.IO 3, case by case against the real socketio-echo.

Each test names the behaviour that the public protocol suites check; the code is our own, from the specification.
"""

import json
import time

import pytest

from engine import BEATING, QUIET, Endpoint, closed_while_polling, echo_server

PLACEHOLDERS = '{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}'


def serve(program, *arguments):
    with echo_server(program("socketio-echo"), *arguments) as echo:
        yield echo


@pytest.fixture(scope="module")
def server(program):
    yield from serve(program, *QUIET)


@pytest.fixture(scope="module")
def beating_server(program):
    yield from serve(program, *BEATING)


@pytest.fixture(scope="module")
def hasty_server(program):
    """As the suites want it: who is silent has 300 + 200 ms, who joins no namespace 1 s."""
    yield from serve(program)


@pytest.fixture
def v4(server):
    return Endpoint(server.port, "/socket.io/", 4)


@pytest.fixture
def v3(server):
    return Endpoint(server.port, "/socket.io/", 3)


@pytest.fixture(params=[4, 3], ids=["v5", "v4"])
def endpoint(server, request):
    return Endpoint(server.port, "/socket.io/", request.param)


def opened(endpoint):
    web_socket = endpoint.web_socket()
    web_socket.sid = endpoint.handshake(web_socket.receive())["sid"]
    return web_socket


def joined(endpoint):
    """A WebSocket in the main namespace."""
    web_socket = opened(endpoint)
    if endpoint.revision == 4:
        web_socket.send("40")
        assert web_socket.receive().startswith('40{"sid":"')
    else:
        assert web_socket.receive() == "40"
    assert web_socket.receive() == '42["auth",{}]'
    return web_socket


# Engine.IO as the Socket.IO server has it


def test_handshakes_by_polling_and_web_socket(endpoint):
    for handshake, upgrades in [
        (endpoint.handshake(endpoint.http().text), ["websocket"]),
        (endpoint.handshake(endpoint.web_socket().receive()), []),
    ]:
        assert list(handshake) == ["sid", "upgrades", "pingInterval", "pingTimeout", "maxPayload"]
        assert handshake["upgrades"] == upgrades
        assert (handshake["pingInterval"], handshake["pingTimeout"], handshake["maxPayload"]) == (25_000, 20_000, 1_000_000)


@pytest.mark.parametrize("revision", [None, "abc"])
def test_handshakes_fail_with_an_invalid_revision(server, revision):
    endpoint = Endpoint(server.port, "/socket.io/", revision)
    assert endpoint.http().status_code == 400
    assert endpoint.refused_web_socket()[0] == 400


@pytest.mark.parametrize("transport", [None, "abc"])
def test_handshakes_fail_with_an_invalid_transport(endpoint, transport):
    assert endpoint.http(transport=transport).status_code == 400
    assert endpoint.refused_web_socket(transport=transport)[0] == 400


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_handshakes_fail_with_an_invalid_method(endpoint, method):
    assert endpoint.http(method).status_code == 400


def test_polling_heartbeats(beating_server):
    v4 = Endpoint(beating_server.port, "/socket.io/", 4)
    sid = v4.open_session()
    for _ in range(3):
        assert v4.http(sid=sid).text == "2"
        assert v4.http("POST", "3", sid=sid).text == "ok"


def test_polling_heartbeats_of_revision_3(v3):
    sid = v3.open_session()
    for beat in range(3):
        assert v3.http("POST", "1:2", sid=sid).text == "ok"
        assert v3.http(sid=sid).text == ('2:4013:42["auth",{}]1:3' if beat == 0 else "1:3")


@pytest.mark.parametrize("revision", [4, 3])
def test_sessions_end_without_heartbeats(hasty_server, revision):
    endpoint = Endpoint(hasty_server.port, "/socket.io/", revision)
    begin = time.monotonic()
    sid = endpoint.open_session()
    while endpoint.http(sid=sid).status_code == 200:
        pass
    assert time.monotonic() - begin >= 0.5
    opened(endpoint).wait_closed()


def test_web_socket_heartbeats(beating_server):
    v4 = Endpoint(beating_server.port, "/socket.io/", 4)
    web_socket = opened(v4)
    for _ in range(3):
        assert web_socket.receive() == "2"
        web_socket.send("3")
    web_socket.close()


def test_web_socket_heartbeats_of_revision_3(v3):
    web_socket = joined(v3)
    for _ in range(3):
        web_socket.send("2")
        assert web_socket.receive() == "3"
    web_socket.close()


def test_close_packets_end_polling_sessions(endpoint):
    def open_session():
        sid = endpoint.open_session()
        if endpoint.revision == 3:
            assert endpoint.http(sid=sid).text == '2:4013:42["auth",{}]'
        return sid

    close = "1" if endpoint.revision == 4 else "1:1"
    sid, answer = closed_while_polling(endpoint, close, open_session)
    assert answer == (200, "6" if endpoint.revision == 4 else "1:6")
    assert endpoint.http(sid=sid).status_code == 400


def test_close_packets_end_web_sockets(endpoint):
    web_socket = opened(endpoint)
    web_socket.send("1")
    web_socket.wait_closed()


def test_sessions_go_over_to_web_socket(endpoint):
    sid = endpoint.open_session()
    web_socket = endpoint.web_socket(sid=sid)
    web_socket.send("2probe")
    assert web_socket.receive() == "3probe"
    web_socket.send("5")
    web_socket.send("40" if endpoint.revision == 4 else "2")
    while (message := web_socket.receive(skipping=["40", '42["auth",{}]'])) is not None:
        if message.startswith('40{"sid":"') or message == "3":
            break
    assert message is not None
    assert endpoint.http(sid=sid).status_code == 400
    endpoint.web_socket(sid=sid).wait_closed()
    web_socket.close()


# Connecting


@pytest.mark.parametrize("auth", [None, {"token": "123"}])
@pytest.mark.parametrize("namespace", ["", "/custom,"])
def test_connecting_to_a_namespace(v4, namespace, auth):
    web_socket = opened(v4)
    web_socket.send(f"40{namespace}{'' if auth is None else json.dumps(auth)}")
    answer = web_socket.receive()
    assert answer.startswith(f"40{namespace}")
    handshake = json.loads(answer.removeprefix(f"40{namespace}"))
    assert list(handshake) == ["sid"]
    assert handshake["sid"] != web_socket.sid, "the session's identifier is a secret"
    expected = json.dumps(auth or {}, separators=(",", ":"))
    assert web_socket.receive() == f'42{namespace}["auth",{expected}]'
    web_socket.close()


def test_clients_of_revision_3_are_in_the_main_namespace_at_once(v3):
    web_socket = joined(v3)
    web_socket.send('42["message","message to main namespace"]')
    assert web_socket.receive() == '42["message-back","message to main namespace"]'
    web_socket.close()


@pytest.mark.parametrize(
    ("query", "auth"),
    [("", "{}"), ("?token=abc", '{"token":"abc"}'), ("?a=%C3%A9+1&b", '{"a":"é 1","b":""}')],
)
def test_clients_of_revision_3_authenticate_in_the_query_of_a_namespace(v3, query, auth):
    web_socket = joined(v3)
    web_socket.send(f"40/custom{query},")
    assert web_socket.receive() == "40/custom,"
    assert web_socket.receive() == f'42/custom,["auth",{auth}]'
    web_socket.close()


def test_connecting_to_an_unknown_namespace_is_refused(endpoint):
    web_socket = opened(endpoint) if endpoint.revision == 4 else joined(endpoint)
    web_socket.send("40/random")
    assert web_socket.receive() == '44/random,{"message":"Invalid namespace"}'
    web_socket.close()


def test_an_invalid_handshake_closes_the_connection(endpoint):
    web_socket = opened(endpoint) if endpoint.revision == 4 else joined(endpoint)
    web_socket.send("4abc")
    web_socket.wait_closed()


def test_connecting_twice_closes_the_connection(v4):
    web_socket = joined(v4)
    web_socket.send("40")
    web_socket.wait_closed()


def test_a_silent_client_is_closed_after_the_connect_timeout(program):
    # Pings keep it alive for as long as anybody waits here.
    with echo_server(program("socketio-echo"), "--ping-timeout", "20000") as server:
        begin = time.monotonic()
        web_socket = opened(Endpoint(server.port, "/socket.io/", 4))
        while (message := web_socket.receive()) is not None:
            assert message == "2"
            web_socket.send("3")
        assert time.monotonic() - begin >= 1


# Disconnecting


@pytest.mark.parametrize("revision", [4, 3], ids=["v5", "v4"])
def test_disconnecting_from_the_main_namespace(program, revision):
    # Who is in no namespace is given as long as a newcomer.
    with echo_server(program("socketio-echo"), *QUIET, "--connect-timeout", "5000") as server:
        web_socket = joined(Endpoint(server.port, "/socket.io/", revision))
        web_socket.send("41")
        web_socket.wait_closed()


def test_disconnecting_from_a_custom_namespace_leaves_the_main_one(endpoint):
    web_socket = joined(endpoint)
    web_socket.send("40/custom")
    assert web_socket.receive().startswith("40/custom,")
    assert web_socket.receive() == '42/custom,["auth",{}]'
    web_socket.send("41/custom")
    web_socket.send('42["message","message to main namespace"]')
    assert web_socket.receive(skipping=["2"]) == '42["message-back","message to main namespace"]'
    web_socket.close()


# Messages


def exchange(web_socket, sent, answered):
    for message in sent:
        web_socket.send(message)
    for message in answered:
        assert web_socket.receive(skipping=["2"]) == message


def attachments(endpoint, *contents):
    """Attachments as they travel by WebSocket: revision 3 puts the packet's type before them."""
    return [content if endpoint.revision == 4 else b"\x04" + content for content in contents]


def test_plain_events(endpoint):
    web_socket = joined(endpoint)
    exchange(web_socket, ['42["message",1,"2",{"3":[true]}]'], ['42["message-back",1,"2",{"3":[true]}]'])
    web_socket.close()


def test_events_with_binary_attachments(endpoint):
    web_socket = joined(endpoint)
    data = attachments(endpoint, b"\x01\x02\x03", b"\x04\x05\x06")
    exchange(
        web_socket,
        [f'452-["message",{PLACEHOLDERS}]', *data],
        [f'452-["message-back",{PLACEHOLDERS}]', *data],
    )
    web_socket.close()


def test_acknowledged_events(endpoint):
    web_socket = joined(endpoint)
    exchange(
        web_socket,
        ['42456["message-with-ack",1,"2",{"3":[false]}]'],
        ['43456[1,"2",{"3":[false]}]'],
    )
    web_socket.close()


def test_acknowledged_events_with_binary_attachments(endpoint):
    web_socket = joined(endpoint)
    data = attachments(endpoint, b"\x01\x02\x03", b"\x04\x05\x06")
    exchange(
        web_socket,
        [f'452-789["message-with-ack",{PLACEHOLDERS}]', *data],
        [f"462-789[{PLACEHOLDERS}]", *data],
    )
    web_socket.close()


@pytest.mark.parametrize(
    "packet",
    ["4abc", "42{}", '42abc["message-with-ack",1,"2",{"3":[false]}]', "42[]", '42["disconnect"]', "43[1]", "42",
     '451["message"]', '4511-["message"]'],
)  # fmt: skip
def test_malformed_packets_close_the_connection(endpoint, packet):
    web_socket = joined(endpoint)
    web_socket.send(packet)
    web_socket.wait_closed()
