"""Engine.IO 4 and 3, case by case as the public protocol suites have them, against the real socketio-echo.

Each test names the behaviour that the suites of the protocol's repositories check; the code is our own, from the
specification. Where both revisions have a case, one test runs in both.
"""

import base64
import json
import time

import pytest

from engine import BEATING, QUIET, Endpoint, Later, Poll, closed_while_polling, echo_server

PING_INTERVAL, PING_TIMEOUT = 0.3, 0.2
HANDSHAKE_KEYS = ["sid", "upgrades", "pingInterval", "pingTimeout", "maxPayload"]
UNKNOWN_SESSION = {"code": 1, "message": "Session ID unknown"}


def serve(program, *arguments):
    with echo_server(program("socketio-echo"), "--engine-only", *arguments) as echo:
        yield echo


@pytest.fixture(scope="module")
def server(program):
    yield from serve(program, *QUIET)


@pytest.fixture(scope="module")
def beating_server(program):
    yield from serve(program, *BEATING)


@pytest.fixture(scope="module")
def hasty_server(program):
    """As the suites want it: who is silent has 300 + 200 ms."""
    yield from serve(program)


@pytest.fixture(params=[4, 3], ids=["v4", "v3"])
def beating(beating_server, request):
    return Endpoint(beating_server.port, revision=request.param)


@pytest.fixture(params=[4, 3], ids=["v4", "v3"])
def hasty(hasty_server, request):
    return Endpoint(hasty_server.port, revision=request.param)


@pytest.fixture(params=[4, 3], ids=["v4", "v3"])
def endpoint(server, request):
    return Endpoint(server.port, revision=request.param)


@pytest.fixture
def v4(server):
    return Endpoint(server.port, revision=4)


@pytest.fixture
def v3(server):
    return Endpoint(server.port, revision=3)


def payload(endpoint, *packets):
    """Packets of text as one polling payload."""
    if endpoint.revision == 4:
        return "\x1e".join(packets)
    return "".join(f"{len(packet)}:{packet}" for packet in packets)


def base64_packet(endpoint, data):
    return ("b" if endpoint.revision == 4 else "b4") + base64.b64encode(data).decode()


# Handshake


def test_handshake_by_polling(endpoint):
    answer = endpoint.http()
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/plain; charset=UTF-8"
    handshake = endpoint.handshake(answer.text)
    assert list(handshake) == HANDSHAKE_KEYS
    assert isinstance(handshake["sid"], str) and len(handshake["sid"]) == 20
    assert handshake["upgrades"] == ["websocket"]
    assert [handshake[key] for key in HANDSHAKE_KEYS[2:]] == [25_000, 20_000, 1_000_000]


@pytest.mark.parametrize("revision", [None, "abc", "2", "5"])
def test_handshake_by_polling_fails_with_an_invalid_revision(server, revision):
    answer = Endpoint(server.port, revision=revision).http()
    assert answer.status_code == 400
    assert answer.json() == {"code": 5, "message": "Unsupported protocol version"}


@pytest.mark.parametrize("transport", [None, "abc", "constructor", "__proto__"])
def test_handshake_by_polling_fails_with_an_invalid_transport(endpoint, transport):
    answer = endpoint.http(transport=transport)
    assert answer.status_code == 400
    assert answer.json() == {"code": 0, "message": "Transport unknown"}


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_handshake_by_polling_fails_with_an_invalid_method(endpoint, method):
    answer = endpoint.http(method)
    assert answer.status_code == 400
    assert answer.json() == {"code": 2, "message": "Bad handshake method"}


def test_handshake_by_web_socket(endpoint):
    web_socket = endpoint.web_socket()
    handshake = endpoint.handshake(web_socket.receive())
    assert list(handshake) == HANDSHAKE_KEYS
    assert handshake["upgrades"] == []
    assert [handshake[key] for key in HANDSHAKE_KEYS[2:]] == [25_000, 20_000, 1_000_000]
    web_socket.close()


@pytest.mark.parametrize("revision", [None, "abc"])
def test_handshake_by_web_socket_fails_with_an_invalid_revision(server, revision):
    endpoint = Endpoint(server.port, revision=revision)
    assert endpoint.refused_web_socket() == (400, "Unsupported protocol version")


@pytest.mark.parametrize("transport", [None, "abc"])
def test_handshake_by_web_socket_fails_with_an_invalid_transport(endpoint, transport):
    assert endpoint.refused_web_socket(transport=transport) == (400, "Transport unknown")


def test_a_web_socket_handshake_without_upgrade_is_a_bad_request(endpoint):
    answer = endpoint.http(transport="websocket")
    assert answer.status_code == 400
    assert answer.json() == {"code": 3, "message": "Bad request"}


@pytest.mark.parametrize("sid", ["abc", "__proto__", "a" * 2000])
def test_an_unknown_session_is_refused(endpoint, sid):
    for method in ["GET", "POST"]:
        answer = endpoint.http(method, sid=sid)
        assert (answer.status_code, answer.json()) == (400, UNKNOWN_SESSION)
    assert endpoint.refused_web_socket(sid=sid) == (400, "Session ID unknown")


# Messages by polling


def test_polling_carries_one_text_packet(endpoint):
    sid = endpoint.open_session()
    answer = endpoint.http("POST", payload(endpoint, "4hello"), sid=sid)
    assert (answer.status_code, answer.text) == (200, "ok")
    answer = endpoint.http(sid=sid)
    assert (answer.status_code, answer.text) == (200, payload(endpoint, "4hello"))


def test_polling_carries_several_text_packets(endpoint):
    sid = endpoint.open_session()
    packets = payload(endpoint, "4test1", "4test2", "4test3")
    assert endpoint.http("POST", packets, sid=sid).text == "ok"
    assert endpoint.http(sid=sid).text == packets


def test_polling_carries_text_and_base64_packets(endpoint):
    sid = endpoint.open_session(b64=1 if endpoint.revision == 3 else None)
    packets = payload(endpoint, "4hello", base64_packet(endpoint, b"\x01\x02\x03\x04"))
    assert endpoint.http("POST", packets, sid=sid).text == "ok"
    assert endpoint.http(sid=sid).text == packets


def test_polling_carries_bytes_as_bytes_to_clients_of_revision_3_that_take_them(v3):
    sid = v3.open_session()
    sent = payload(v3, "4hello", base64_packet(v3, b"\x01\x02\x03\x04"))
    assert v3.http("POST", sent, sid=sid).text == "ok"
    answer = v3.http(sid=sid)
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.content == b"\x00\x06\xff4hello" + b"\x01\x05\xff\x04\x01\x02\x03\x04"


def test_polling_takes_bytes_as_bytes_from_clients_of_revision_3(v3):
    sid = v3.open_session(b64=1)
    body = b"\x00\x06\xff4hello" + b"\x00\x08\xff" + "4é😀z".encode() + b"\x01\x01\x01\xff\x04" + bytes(range(10))
    assert v3.http("POST", body, {"Content-Type": "application/octet-stream"}, sid=sid).text == "ok"
    expected = payload(v3, "4hello") + "5:4é😀z" + payload(v3, base64_packet(v3, bytes(range(10))))
    answer = v3.http(sid=sid)
    answer.encoding = "utf-8"
    assert answer.text == expected


def test_lengths_of_revision_3_count_as_javascript_does(v3):
    sid = v3.open_session()
    body = "5:4é😀z6:4hello"
    assert v3.http("POST", body.encode(), sid=sid).text == "ok"
    assert v3.http(sid=sid).content == body.encode()


def test_polling_closes_the_session_upon_an_invalid_packet(endpoint):
    sid = endpoint.open_session()
    assert endpoint.http("POST", "abc", sid=sid).status_code == 400
    answer = endpoint.http(sid=sid)
    assert (answer.status_code, answer.json()) == (400, UNKNOWN_SESSION)


@pytest.mark.parametrize(
    "body",
    [b"9:4a", b"1:4a", b":4a", b"-1:4a", b"99999999999:4a", b"2:4\xff\xfe", b"2:4\xf0\x9f\x98\x80", b"3:b5A", b"\x00",
     b"\x00\x0a\xff4", b"\x01\x09\xff\x04", b"\x01\x01\xff\x02", b"\x00\xff", b"\x00" + b"\x01" * 30 + b"\xff4"],
)  # fmt: skip
def test_malformed_payloads_of_revision_3_close_the_session(v3, body):
    sid = v3.open_session()
    assert v3.http("POST", body, sid=sid).status_code == 400
    assert v3.http(sid=sid).status_code == 400


def test_binary_bodies_are_refused_in_revision_4(v4):
    sid = v4.open_session()
    answer = v4.http("POST", b"\x01\x02", {"Content-Type": "application/octet-stream"}, sid=sid)
    assert answer.status_code == 400


def test_polling_closes_the_session_upon_duplicate_polls(endpoint):
    sid = endpoint.open_session()
    other = Later(lambda: endpoint.http(sid=sid))
    # Either may be the first to arrive: that one is told of the end, the other is refused.
    answers = [endpoint.http(sid=sid, t="burst"), other.result()]
    answer, refused = sorted(answers, key=lambda each: each.status_code)
    assert refused.status_code == 400
    assert (answer.status_code, answer.text) == (200, payload(endpoint, "1"))
    assert endpoint.http(sid=sid).status_code == 400


def test_polling_closes_the_session_upon_a_cancelled_poll(endpoint):
    sid = endpoint.open_session()
    Poll(endpoint, sid).cancel()
    # A packet is taken as long as there is a session. This one has no answer, which the poll would end with before the server
    # has seen that it is cancelled. Another poll would end the session by itself.
    end = time.monotonic() + 10
    while endpoint.http("POST", payload(endpoint, "6"), sid=sid).status_code == 200:
        assert time.monotonic() < end, "the session outlives its poll"


# Messages by WebSocket


def test_web_socket_carries_text(endpoint):
    web_socket = endpoint.web_socket()
    endpoint.handshake(web_socket.receive())
    web_socket.send("4hello")
    assert web_socket.receive(skipping=["2"]) == "4hello"
    web_socket.close()


def test_web_socket_carries_bytes(endpoint):
    web_socket = endpoint.web_socket()
    endpoint.handshake(web_socket.receive())
    data = b"\x01\x02\x03\x04" if endpoint.revision == 4 else b"\x04\x01\x02\x03\x04"
    web_socket.send(data)
    assert web_socket.receive(skipping=["2"]) == data
    web_socket.close()


def test_web_socket_carries_base64_to_clients_that_want_it(endpoint):
    web_socket = endpoint.web_socket(b64=1)
    endpoint.handshake(web_socket.receive())
    packet = base64_packet(endpoint, b"\x01\x02\x03\x04")
    web_socket.send(packet)
    assert web_socket.receive(skipping=["2"]) == packet
    web_socket.close()


def test_web_socket_closes_upon_an_invalid_packet(endpoint):
    web_socket = endpoint.web_socket()
    endpoint.handshake(web_socket.receive())
    web_socket.send("abc")
    web_socket.wait_closed()


# Heartbeat


def test_polling_sessions_stay_alive_with_heartbeats(beating):
    endpoint = beating
    sid = endpoint.open_session()
    for _ in range(3):
        if endpoint.revision == 3:
            assert endpoint.http("POST", "1:2", sid=sid).text == "ok"
            assert endpoint.http(sid=sid).text == "1:3"
            time.sleep(PING_INTERVAL)
        else:
            assert endpoint.http(sid=sid).text == "2"
            assert endpoint.http("POST", "3", sid=sid).text == "ok"
    assert endpoint.http("POST", payload(endpoint, "4still"), sid=sid).text == "ok"


def test_polling_sessions_end_without_heartbeats(hasty):
    begin = time.monotonic()
    sid = hasty.open_session()
    # To ask for packets is no heartbeat.
    while (answer := hasty.http(sid=sid)).status_code == 200:
        pass
    assert time.monotonic() - begin >= PING_INTERVAL + PING_TIMEOUT
    assert (answer.status_code, answer.json()) == (400, UNKNOWN_SESSION)
    answer = hasty.http("POST", payload(hasty, "3" if hasty.revision == 4 else "2"), sid=sid)
    assert (answer.status_code, answer.json()) == (400, UNKNOWN_SESSION)


def test_web_sockets_stay_open_with_heartbeats(beating):
    endpoint = beating
    web_socket = endpoint.web_socket()
    endpoint.handshake(web_socket.receive())
    for _ in range(3):
        if endpoint.revision == 3:
            web_socket.send("2")
            assert web_socket.receive() == "3"
            time.sleep(PING_INTERVAL)
        else:
            assert web_socket.receive() == "2"
            web_socket.send("3")
    web_socket.send("4still")
    assert web_socket.receive(skipping=["2"]) == "4still"
    web_socket.close()


def test_web_sockets_are_closed_without_heartbeats(hasty):
    begin = time.monotonic()
    web_socket = hasty.web_socket()
    web_socket.wait_closed()
    assert time.monotonic() - begin >= PING_INTERVAL + PING_TIMEOUT


def test_a_heartbeat_in_the_wrong_direction_closes_the_session(endpoint):
    web_socket = endpoint.web_socket()
    endpoint.handshake(web_socket.receive())
    web_socket.send("2" if endpoint.revision == 4 else "3")
    # For want of a heartbeat it would be closed later than anybody waits here.
    web_socket.wait_closed()


# Close


def test_a_close_packet_ends_a_polling_session(endpoint):
    sid, answer = closed_while_polling(endpoint, payload(endpoint, "1"))
    assert answer == (200, payload(endpoint, "6"))
    assert endpoint.http(sid=sid).status_code == 400


def test_a_close_packet_ends_a_web_socket(endpoint):
    web_socket = endpoint.web_socket()
    endpoint.handshake(web_socket.receive())
    web_socket.send("1")
    # For want of a heartbeat it would be closed later than anybody waits here.
    web_socket.wait_closed()


# Upgrade


def probed(endpoint):
    """A session whose WebSocket has been probed."""
    sid = endpoint.open_session()
    web_socket = endpoint.web_socket(sid=sid)
    web_socket.send("2probe")
    assert web_socket.receive() == "3probe"
    return sid, web_socket


def test_a_session_goes_over_to_web_socket(endpoint):
    sid, web_socket = probed(endpoint)
    answer = endpoint.http(sid=sid)
    assert (answer.status_code, answer.text) == (200, payload(endpoint, "6"))
    web_socket.send("5")
    web_socket.send("4hello")
    assert web_socket.receive(skipping=["2"]) == "4hello"
    web_socket.close()


def test_any_number_of_polls_ends_while_a_session_goes_over(endpoint):
    sid, web_socket = probed(endpoint)
    for _ in range(3):
        answer = endpoint.http(sid=sid)
        assert (answer.status_code, answer.text) == (200, payload(endpoint, "6"))
    web_socket.send("5")
    web_socket.send("4hello")
    assert web_socket.receive(skipping=["2"]) == "4hello"
    web_socket.close()


def test_requests_are_ignored_after_the_upgrade(endpoint):
    sid, web_socket = probed(endpoint)
    web_socket.send("5")
    web_socket.send("4first")
    assert web_socket.receive(skipping=["2"]) == "4first"
    assert endpoint.http(sid=sid).status_code == 400
    web_socket.send("4hello")
    assert web_socket.receive(skipping=["2"]) == "4hello"
    web_socket.close()


def test_further_web_sockets_are_closed_after_the_upgrade(endpoint):
    sid, web_socket = probed(endpoint)
    web_socket.send("5")
    web_socket.send("4first")
    assert web_socket.receive(skipping=["2"]) == "4first"
    endpoint.web_socket(sid=sid).wait_closed()
    web_socket.send("4hello")
    assert web_socket.receive(skipping=["2"]) == "4hello"
    web_socket.close()


# Limits and browsers


def test_a_payload_above_the_limit_is_refused(endpoint):
    sid = endpoint.open_session()
    assert endpoint.http("POST", b"4" + b"a" * 1_000_000, sid=sid).status_code == 413


def test_a_web_socket_message_above_the_limit_closes_the_session(endpoint):
    web_socket = endpoint.web_socket()
    endpoint.handshake(web_socket.receive())
    web_socket.send("4" + "a" * 1_000_000)
    web_socket.wait_closed()


def test_preflights_are_answered(endpoint):
    asked = {"Origin": "https://example.org", "Access-Control-Request-Headers": "x-a"}
    answer = endpoint.http("OPTIONS", headers=asked)
    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Access-Control-Allow-Headers"] == "x-a"


def test_polling_by_script_tags(endpoint):
    opened = endpoint.http(j="0xyz")
    assert opened.headers["Content-Type"] == "text/javascript; charset=UTF-8"
    assert opened.text.startswith("___eio[0](") and opened.text.endswith(");")
    text = json.loads(opened.text[len("___eio[0](") : -2])
    sid = endpoint.handshake(text)["sid"]
    # A form writes a line end as \n, and those two characters as \\n: the length counts what is meant.
    form = {"d": payload(endpoint, "4a\nb\\nc +&\u2028").replace("\\n", "\\\\n").replace("\n", "\\n")}
    assert endpoint.http("POST", form, sid=sid, j=1).text == "ok"
    answer = endpoint.http(sid=sid, j=2)
    answer.encoding = "utf-8"
    assert "\u2028" not in answer.text
    got = json.loads(answer.text[len("___eio[2](") : -2])
    assert got.endswith("4a\nb\\nc +&\u2028")
