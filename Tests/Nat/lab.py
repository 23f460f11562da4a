"""A small Internet of network namespaces: two hosts, each behind a NAT if wanted, and a public network between, where a
real TURN server (coturn) listens. Needs root. The names of its namespaces are seen by this process and those below it
alone, so that they are gone with it, whatever ends it.

    host a ── gateway a ── public network ── gateway b ── host b
                                │
                             coturn
"""

import base64
import contextlib
import ctypes
import hashlib
import hmac
import itertools
import os
import shutil
import subprocess
import time
from pathlib import Path

import processes

SERVER = "203.0.113.1"
SERVER6 = "2001:db8:113::1"
SECRET = "laboratory"
OUTSIDE = {"a": "203.0.113.10", "b": "203.0.113.20"}
INSIDE = {"a": "10.1.0.2", "b": "10.2.0.2"}

# What a gateway does to its host's datagrams. Unasked-for ones from outside never get in: at a real router they are
# dropped before connection tracking takes note of them, which would cost the host its port.
RULES = """
table inet lab {{
    chain postrouting {{
        type nat hook postrouting priority srcnat;
        oifname "wan" masquerade {mode}
    }}
    chain input {{
        type filter hook input priority filter;
        iifname "wan" ct state != established drop
    }}
    chain forward {{
        type filter hook forward priority filter;
        {extra}
        ct state established,related accept
        iifname "wan" drop
    }}
}}
"""


# Where `ip` keeps the names of namespaces, and files of /etc that are other ones in a namespace.
NAMES = [Path("/run/netns"), Path("/etc/netns")]
NEW_MOUNT_NAMESPACE, PRIVATE, RECURSIVE = 0x20000, 1 << 18, 1 << 14
NETWORK_NAMESPACE = 0x40000000

# Drops what comes from some addresses, of which nobody hears: neither end is told, as where a cable is cut.
CUTS = """
table inet cuts {
    set gone {
        type ipv4_addr
    }
    chain input {
        type filter hook input priority filter;
        ip saddr @gone drop
    }
}
"""


def hide_names():
    """Puts empty folders, which only this process and those below it see, where names of namespaces are kept."""
    libc = ctypes.CDLL(None, use_errno=True)
    calls = [lambda: libc.unshare(NEW_MOUNT_NAMESPACE)]
    calls.append(lambda: libc.mount(None, b"/", None, PRIVATE | RECURSIVE, None))
    for folder in NAMES:
        folder.mkdir(parents=True, exist_ok=True)
        calls.append(lambda path=bytes(folder): libc.mount(b"tmpfs", path, b"tmpfs", 0, None))
    for call in calls:
        if call() != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def why_not():
    """Why this machine cannot hold a lab; None if it can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    for program in ("ip", "nft", "turnserver", "openssl"):
        if shutil.which(program) is None:
            return f"'{program}' is not installed: run Scripts/bootstrap test"
    try:
        hide_names()
    except OSError as error:
        return f"mount namespaces are not allowed here: {error.strerror}"
    name = f"pt{os.getpid()}probe"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
    if made.returncode != 0:
        return f"network namespaces are not allowed here: {made.stderr.strip()}"
    nft = ["ip", "netns", "exec", name, "nft", "add", "table", "inet", "probe"]
    allowed = subprocess.run(nft, capture_output=True, text=True)
    subprocess.run(["ip", "netns", "delete", name], check=False)
    return None if allowed.returncode == 0 else f"nftables is not allowed here: {allowed.stderr.strip()}"


def credentials(secret=SECRET, lifetime=3600):
    """User name and password by the REST API convention, as the signalling server makes them."""
    username = f"{int(time.time()) + lifetime}:lab"
    code = hmac.new(secret.encode(), username.encode(), hashlib.sha1).digest()
    return username, base64.b64encode(code).decode()


class Lab:
    """The namespaces. Each host is `a` or `b`."""

    def __init__(self, folder):
        self.folder = folder
        self.prefix = f"pt{os.getpid()}"
        self.names = []
        self.turn = None
        self.folders = []

    def build(self):
        """The public network."""
        self._namespace("net")
        self._in("net", "ip link add public type bridge")
        self._in("net", f"ip address add {SERVER}/24 dev public")
        self._in("net", f"ip -6 address add {SERVER6}/64 dev public nodad")
        self._in("net", "ip link set public up")
        # As on the real Internet, datagrams to private addresses vanish; an error would make coturn end the allocation.
        self._in("net", "ip link add nowhere type bridge")
        self._in("net", "ip link set nowhere up")
        self._in("net", "ip route add default dev nowhere")
        self._in("net", "ip -6 route add default dev nowhere")

    def close(self):
        self.stop_turn()
        for folder in self.folders:
            shutil.rmtree(folder)
        for name in self.names:
            subprocess.run(["ip", "netns", "delete", name], check=False)

    # Building

    def _namespace(self, name):
        full = self.prefix + name
        subprocess.run(["ip", "netns", "add", full], check=True)
        self.names.append(full)
        self._in(name, "ip link set lo up")

    def _in(self, name, command, **options):
        done = subprocess.run([*self.enter(name), *command.split()], capture_output=True, text=True, **options)
        assert done.returncode == 0, f"{command} in {name}: {done.stderr}"
        return done.stdout

    def enter(self, name):
        """The beginning of a command line that runs in a namespace."""
        return ["ip", "netns", "exec", self.prefix + name]

    def _wire(self, name, device, to, device_there):
        """A cable between two namespaces."""
        peer = self.prefix + to
        self._in(name, f"ip link add {device} type veth peer name {device_there} netns {peer}")
        self._in(name, f"ip link set {device} up")
        self._in(to, f"ip link set {device_there} up")

    def public(self, side, address=None, ipv4=True, ipv6=False):
        """Puts a host on the public network itself."""
        self._namespace(side)
        self._wire("net", f"host{side}", side, "eth0")
        self._in("net", f"ip link set host{side} master public")
        if ipv4:
            self._in(side, f"ip address add {address or OUTSIDE[side]}/24 dev eth0")
        if ipv6:
            number = 0xA0 if side == "a" else 0xB0
            self._in(side, f"ip -6 address add 2001:db8:113::{number:x}/64 dev eth0 nodad")

    def behind_nat(self, side, mode="", extra=""):
        """Puts a host behind a gateway that translates. Without a mode, ports are kept where they are free."""
        gateway = f"gw{side}"
        self._namespace(side)
        self._namespace(gateway)
        self._wire("net", f"host{side}", gateway, "wan")
        self._in("net", f"ip link set host{side} master public")
        self._in(gateway, f"ip address add {OUTSIDE[side]}/24 dev wan")
        self._wire(gateway, "lan", side, "eth0")
        router = INSIDE[side].rsplit(".", 1)[0] + ".1"
        self._in(gateway, f"ip address add {router}/24 dev lan")
        self._in(gateway, "sysctl -q -w net.ipv4.ip_forward=1")
        self._in(gateway, "nft -f -", input=RULES.format(mode=mode, extra=extra))
        self._in(side, f"ip address add {INSIDE[side]}/24 dev eth0")
        self._in(side, f"ip route add default via {router}")

    def symmetric(self, side):
        self.behind_nat(side, mode="fully-random")

    def without_udp(self, side):
        self.behind_nat(side, extra="meta l4proto udp drop")

    def move(self, side, new):
        """Takes a public host's address away and gives it another."""
        self._in(side, f"ip address delete {OUTSIDE[side]}/24 dev eth0")
        self._in(side, f"ip address add {new}/24 dev eth0")

    def host(self, name, address):
        """Puts another host on the public network, which can be cut off from others."""
        self.public(name, address)
        self._in(name, "nft -f -", input=CUTS)
        return Host(self, name, address)

    # Servers

    def start_turn(self):
        """Runs coturn on the public network, for UDP, TCP and TLS."""
        certificate, key = self.folder / "turn.pem", self.folder / "turn.key"
        names = f"subjectAltName=IP:{SERVER},IP:{SERVER6},DNS:turn.lab"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
             "-subj", "/CN=turn.lab", "-addext", names, "-keyout", key, "-out", certificate],
            check=True, capture_output=True,
        )
        self.certificate = certificate
        log = open(self.folder / "turn.log", "w")
        self.turn = processes.start(
            [*self.enter("net"), "turnserver", "-n", "--no-cli", "--listening-ip", SERVER, "--listening-ip", SERVER6,
             "--relay-ip", SERVER, "--relay-ip", SERVER6, "--use-auth-secret", "--static-auth-secret", SECRET,
             "--realm", "lab.example", "--min-port", "50000", "--max-port", "50999", "--cert", certificate,
             "--pkey", key, "--log-file", "stdout", "--simple-log", "--pidfile", self.folder / "turn.pid",
             "--userdb", self.folder / "turn.db"],
            stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
        )
        self._await_listener("-lun", 3478)
        self._await_listener("-ltn", 3478)
        self._await_listener("-ltn", 5349)

    def stop_turn(self):
        if self.turn:
            self.turn.terminate()
            self.turn.wait(10)
            processes.end(self.turn)
            self.turn = None

    def name(self, side, name, address):
        """Lets the resolver of a host know a name, as mDNS would."""
        folder = NAMES[1] / (self.prefix + side)
        folder.mkdir(parents=True)
        self.folders.append(folder)
        (folder / "hosts").write_text(f"127.0.0.1 localhost\n{address} {name}\n")

    def _await_listener(self, kind, port, timeout=20):
        end = time.monotonic() + timeout
        while f"{SERVER}:{port} " not in self._in("net", f"ss {kind}"):
            assert self.turn is None or self.turn.poll() is None, (self.folder / "turn.log").read_text()[-2000:]
            assert time.monotonic() < end, f"nothing listens on port {port}"
            time.sleep(0.05)

    @property
    def stun(self):
        return f"stun:{SERVER}:3478"

    def relay(self, url=f"turn:{SERVER}:3478?transport=udp"):
        """A TURN server with fresh credentials, as an option of nat-peer."""
        return ",".join([url, *credentials()])


class Host:
    """A host of the public network."""

    def __init__(self, lab, name, address):
        self.lab, self.name, self.address = lab, name, address
        self.enter = lab.enter(name)
        self.ports = itertools.count(7000)

    def port(self, _):
        return next(self.ports)

    @contextlib.contextmanager
    def inside(self):
        """Sockets that this thread makes meanwhile are the host's."""
        with open("/proc/thread-self/ns/net") as before, open(NAMES[0] / (self.lab.prefix + self.name)) as there:
            enter_network(there)
            try:
                yield
            finally:
                enter_network(before)

    def run(self, command):
        """What a command prints there."""
        return self.lab._in(self.name, command)

    def cut_off(self, *others):
        """From now on nothing gets from this host to the others, nor back, and nobody is told."""
        self._change("add", others)

    def join(self, *others):
        """Mends that."""
        self._change("delete", others)

    def _change(self, verb, others):
        for other in others:
            for end, gone in ((self, other), (other, self)):
                end.run(f"nft {verb} element inet cuts gone {{ {gone.address} }}")


def enter_network(file):
    if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), NETWORK_NAMESPACE) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


@contextlib.contextmanager
def laboratory(folder):
    lab = Lab(folder)
    try:
        lab.build()
        yield lab
    finally:
        lab.close()
