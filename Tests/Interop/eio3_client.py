"""A client of Socket.IO 2 (Engine.IO 3): python-socketio 4, which cannot live beside the version of the other tests.

python3 eio3_client.py URL TRANSPORTS; run with PYTHONPATH=.venv/apart. It speaks with a socketio-echo server, and
prints `ok` and the identifier it had if everything went as it should.
"""

import queue
import sys

import socketio

assert socketio.__version__.startswith("4."), socketio.__version__

WAIT = 30
PONG = 3


def main(url, transports):
    client = socketio.Client(reconnection=False)
    received = queue.Queue()
    for namespace in ["/", "/custom"]:
        for event in ["auth", "message-back"]:
            client.on(event, lambda *data, e=event, n=namespace: received.put((n, e, *data)), namespace=namespace)
    client.connect(url, transports=transports, namespaces=["/custom"])
    greetings = sorted(received.get(timeout=WAIT) for _ in range(2))
    assert [greeting[:2] for greeting in greetings] == [("/", "auth"), ("/custom", "auth")], greetings
    for namespace in ["/", "/custom"]:
        for arguments in [(1, "2", {"3": [True]}), ("é", None, 1.5), (b"\x01\x02\x03", {"b": [b"\x04"]}), ("x" * 100_000,)]:
            client.emit("message", arguments, namespace=namespace)
            assert received.get(timeout=WAIT) == (namespace, "message-back", *arguments)
            answers = queue.Queue()
            client.emit("message-with-ack", arguments, namespace=namespace, callback=lambda *a: answers.put(a))
            assert answers.get(timeout=WAIT) == arguments
    beats = queue.Queue()
    pong = client.eio._receive_packet
    client.eio._receive_packet = lambda packet: (beats.put(packet.packet_type == PONG), pong(packet))
    for _ in range(3):
        while not beats.get(timeout=WAIT):
            pass
    client.emit("message", "still here")
    assert received.get(timeout=WAIT) == ("/", "message-back", "still here")
    sid = client.sid
    assert client.eio.transport() == transports[-1], client.eio.transport()
    client.disconnect()
    print("ok", sid, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2].split(","))
