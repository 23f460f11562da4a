"""Hosts with an emulated network between, `near` and `far` or more of them, each in a network namespace whose only way out is
a TUN device. What leaves by one goes through a bottleneck, loss and delay (`path-emulator`) to another, whoever sent it: the
kernel's TCP, a browser, peers of ours. Linux and root only.
"""

import contextlib
import fcntl
import json
import os
import struct
import subprocess
from pathlib import Path

import processes

HOSTS = ["near", "far"]
HERE = Path(__file__).resolve().parent

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
DEVICE = "/dev/net/tun"


def why_not():
    """Why this machine cannot hold such a network, beside what lab.why_not says; None if it can."""
    try:
        os.close(os.open(DEVICE, os.O_RDWR))
    except OSError as error:
        return f"TUN devices are not allowed here: {DEVICE}: {error.strerror}"
    return None


def kernel_controls():
    """The congestion controls that the kernel's TCP has."""
    return Path("/proc/sys/net/ipv4/tcp_available_congestion_control").read_text().split()


class Bottleneck:
    """The namespaces, and the emulator between them. The bottleneck, if there is one, is the first host's."""

    def __init__(self, emulator, hosts, **conditions):
        self.emulator = emulator
        self.conditions = conditions
        # The emulator knows a host by the last number of its address.
        self.addresses = {host: f"10.77.0.{number}" for number, host in enumerate(hosts, 1)}
        self.prefix = f"pt{os.getpid()}"
        self.made = []
        self.process = None

    def build(self):
        descriptors = [self._host(host) for host in self.addresses]
        command = [self.emulator]
        for descriptor in descriptors:
            command += ["--device", str(descriptor)]
        for name, value in self.conditions.items():
            command += [f"--{name}", str(value)]
        self.process = processes.start(
            [*real_time(), *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            pass_fds=tuple(descriptors),
        )
        for descriptor in descriptors:
            os.close(descriptor)

    def _host(self, host):
        """A namespace with a TUN device. Returns the device's descriptor."""
        name, device = self.prefix + host, f"pt{os.getpid() % 100000}{host}"
        subprocess.run(["ip", "netns", "add", name], check=True)
        self.made.append(name)
        descriptor = os.open(DEVICE, os.O_RDWR)
        fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH22x", device.encode(), IFF_TUN | IFF_NO_PI))
        subprocess.run(["ip", "link", "set", device, "netns", name], check=True)
        for step in (
            f"ip link set {device} name path",
            f"ip address add {self.addresses[host]}/24 dev path",
            "ip link set path txqueuelen 10000",
            "ip link set path up",
            # Pages have no address to offer where there is no way out.
            "ip route add default dev path",
            "ip link set lo up",
        ):
            subprocess.run([*self.enter(host), *step.split()], check=True)
        return descriptor

    def enter(self, host):
        """The beginning of a command line that runs on a host."""
        return ["ip", "netns", "exec", self.prefix + host]

    def wrapped(self, host, program, folder):
        """A script in a folder that runs a program on a host, for whoever starts programs by a path alone."""
        script = folder / f"{Path(program).name}-{host}"
        script.write_text(f'#!/bin/sh\nexec {" ".join(self.enter(host))} {program} "$@"\n')
        script.chmod(0o755)
        return script

    def statistics(self):
        """What became of the packets so far; times in nanoseconds."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        if self.process:
            processes.end(self.process)
        for name in self.made:
            subprocess.run(["ip", "netns", "delete", name], check=False)


def real_time():
    """What makes a program's timers keep their time on a busy machine, where that is allowed."""
    prefix = ["chrt", "--fifo", "10"]
    with contextlib.suppress(OSError):
        if subprocess.run([*prefix, "true"], capture_output=True).returncode == 0:
            return prefix
    return []


@contextlib.contextmanager
def bottleneck(emulator, hosts=HOSTS, **conditions):
    """A network of these hosts under these conditions (options of path-emulator without the dashes)."""
    network = Bottleneck(emulator, hosts, **conditions)
    try:
        network.build()
        yield network
    finally:
        network.close()


class TCPFlow:
    """A connection of the kernel's from near to far that sends as fast as its congestion control lets it."""

    def __init__(self, network, control):
        self.control = control
        program = ["python3", HERE / "tcp_flow.py"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.receiver = processes.start([*network.enter("far"), *program, "receive", network.addresses["far"]], **pipes)
        port = self.receiver.stdout.readline().strip()
        command = [*network.enter("near"), *program, "send", network.addresses["far"], port, control]
        self.sender = processes.start(command, **pipes)
        assert self.sender.stdout.readline().strip() == control, "the kernel took another congestion control"

    def received(self):
        """Bytes that have arrived."""
        self.receiver.stdin.write("\n")
        self.receiver.stdin.flush()
        return int(self.receiver.stdout.readline())

    def stop(self):
        for process in (self.sender, self.receiver):
            processes.end(process)
