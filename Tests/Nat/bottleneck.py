"""Two hosts with an emulated network between: `near` and `far`, each in a network namespace whose only way out is a TUN
device. What leaves by one goes through a bottleneck, loss and delay (`path-emulator`) to the other, whoever sent it: the
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

ADDRESSES = {"near": "10.77.0.1", "far": "10.77.0.2"}
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
    """The namespaces, and the emulator between them."""

    def __init__(self, emulator, **conditions):
        self.emulator = emulator
        self.conditions = conditions
        self.prefix = f"pt{os.getpid()}"
        self.made = []
        self.process = None

    def build(self):
        descriptors = {side: self._host(side) for side in ADDRESSES}
        options = [f"--{name}" for name in ("near", "far")]
        command = [self.emulator]
        for option, side in zip(options, ADDRESSES):
            command += [option, str(descriptors[side])]
        for name, value in self.conditions.items():
            command += [f"--{name}", str(value)]
        self.process = processes.start(
            [*real_time(), *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            pass_fds=tuple(descriptors.values()),
        )
        for descriptor in descriptors.values():
            os.close(descriptor)

    def _host(self, side):
        """A namespace with a TUN device. Returns the device's descriptor."""
        name, device = self.prefix + side, f"pt{os.getpid() % 100000}{side}"
        subprocess.run(["ip", "netns", "add", name], check=True)
        self.made.append(name)
        descriptor = os.open(DEVICE, os.O_RDWR)
        fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH22x", device.encode(), IFF_TUN | IFF_NO_PI))
        subprocess.run(["ip", "link", "set", device, "netns", name], check=True)
        for step in (
            f"ip link set {device} name path",
            f"ip address add {ADDRESSES[side]}/24 dev path",
            "ip link set path txqueuelen 10000",
            "ip link set path up",
            "ip link set lo up",
        ):
            subprocess.run([*self.enter(side), *step.split()], check=True)
        return descriptor

    def enter(self, side):
        """The beginning of a command line that runs on a host."""
        return ["ip", "netns", "exec", self.prefix + side]

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
def bottleneck(emulator, **conditions):
    """A network under these conditions (options of path-emulator without the dashes)."""
    network = Bottleneck(emulator, **conditions)
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
        self.receiver = processes.start([*network.enter("far"), *program, "receive", ADDRESSES["far"]], **pipes)
        port = self.receiver.stdout.readline().strip()
        self.sender = processes.start([*network.enter("near"), *program, "send", ADDRESSES["far"], port, control], **pipes)
        assert self.sender.stdout.readline().strip() == control, "the kernel took another congestion control"

    def received(self):
        """Bytes that have arrived."""
        self.receiver.stdin.write("\n")
        self.receiver.stdin.flush()
        return int(self.receiver.stdout.readline())

    def stop(self):
        for process in (self.sender, self.receiver):
            processes.end(process)
