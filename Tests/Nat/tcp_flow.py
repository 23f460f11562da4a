#!/usr/bin/env python3
"""One end of a TCP connection that carries as much as it can.

    tcp_flow.py receive ADDRESS              prints its port, then for each line of input the bytes received so far
    tcp_flow.py send ADDRESS PORT CONTROL    prints the congestion control that the kernel uses, then sends

Ends with its standard input.
"""

import socket
import sys
import threading


def end_with_input():
    for _ in sys.stdin:
        pass
    sys.exit()


def receive(address):
    server = socket.create_server((address, 0))
    print(server.getsockname()[1], flush=True)
    count = 0

    def read():
        nonlocal count
        connection, _ = server.accept()
        memory = memoryview(bytearray(1 << 18))
        while got := connection.recv_into(memory):
            count += got

    threading.Thread(target=read, daemon=True).start()
    for _ in sys.stdin:
        print(count, flush=True)


def send(address, port, control):
    connection = socket.socket()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, control.encode())
    connection.connect((address, int(port)))
    used = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16)
    print(used.rstrip(b"\0").decode(), flush=True)

    def write():
        block = bytes(1 << 16)
        while True:
            connection.sendall(block)

    threading.Thread(target=write, daemon=True).start()
    end_with_input()


if __name__ == "__main__":
    {"receive": receive, "send": send}[sys.argv[1]](*sys.argv[2:])
