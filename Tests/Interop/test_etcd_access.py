"""An etcd that does not talk to everybody: nodes that show it what it wants join, and others say what is wrong."""

import contextlib
import json
import ssl
import urllib.request

import pytest
from cluster import Cluster, Etcd
from processes import run
from waiting import until

pytestmark = pytest.mark.timeout(300)

PASSWORD = "a password of etcd's"


@pytest.fixture
def peer_tree(program):
    return program("peer-tree")


class Authority:
    """Vouches for one certificate, which etcd and its clients share: etcd is a client of its own."""

    def __init__(self, folder, name):
        self.file, self.certificate, self.key = (folder / f"{name}.{end}" for end in ("ca", "pem", "key"))
        authority = folder / f"{name}.ca-key"
        new = ["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        self.make([*new, "-x509", "-days", 2, "-subj", f"/CN={name}", "-keyout", authority, "-out", self.file])
        request, names = folder / f"{name}.request", folder / f"{name}.names"
        names.write_text("subjectAltName=IP:127.0.0.1\n")
        self.make([*new, "-subj", "/CN=etcd", "-keyout", self.key, "-out", request])
        signed = ["openssl", "x509", "-req", "-days", 2, "-in", request, "-CA", self.file, "-CAkey", authority]
        self.make([*signed, "-CAcreateserial", "-extfile", names, "-out", self.certificate])

    @staticmethod
    def make(command):
        run(command, 30, check=True, capture_output=True, text=True)

    def context(self):
        context = ssl.create_default_context(cafile=self.file)
        context.load_cert_chain(self.certificate, self.key)
        return context

    def of_etcd(self):
        """etcd's options."""
        return ["--client-cert-auth", "--trusted-ca-file", self.file, "--cert-file", self.certificate, "--key-file", self.key]

    def of_node(self):
        """A node's."""
        return {"--etcd-authorities": self.file, "--etcd-certificate": self.certificate, "--etcd-key": self.key}


def listed(options):
    return [part for option in options.items() for part in option]


def test_a_node_joins_an_etcd_with_tls_if_each_trusts_the_other_and_otherwise_says_so(peer_tree, tmp_path):
    right, wrong = Authority(tmp_path, "right"), Authority(tmp_path, "wrong")
    with contextlib.ExitStack() as stack:
        etcd = Etcd(tmp_path, stack, certificates=right)
        assert etcd.address.startswith("https://")
        cluster = Cluster(peer_tree, tmp_path, stack, count=2, options=listed(right.of_node()), etcd=etcd)
        node = cluster.nodes[1]
        plain = node.command[: node.command.index("--etcd-authorities")], node.command[node.command.index("--etcd-key") + 2 :]
        nothing_shown = {"--etcd-authorities": right.file}
        for options in ({**right.of_node(), "--etcd-authorities": wrong.file}, nothing_shown, {**wrong.of_node(), **nothing_shown}):
            node.kill()
            node.command = [*plain[0], *listed(options), *plain[1]]
            node.start()
            until(lambda: "do not take each other's certificates" in node.log, lambda: node.log[-2000:])
            assert etcd.address in node.log and "--etcd-authorities" in node.log
            assert node.figure("peer_tree_cluster_slots") == 0
        node.kill()
        node.command = [*plain[0], *listed(right.of_node()), *plain[1]]
        node.start()
        cluster.settle()


def test_a_node_joins_an_etcd_with_names_if_it_knows_the_password_and_otherwise_says_so(peer_tree, tmp_path):
    with contextlib.ExitStack() as stack:
        etcd = Etcd(tmp_path, stack)

        def ask(path, **body):
            request = urllib.request.Request(f"{etcd.address}/v3/auth/{path}", json.dumps(body).encode())
            urllib.request.urlopen(request, timeout=10).close()

        ask("user/add", name="root", password=PASSWORD)
        ask("role/add", name="root")
        ask("user/grant", user="root", role="root")
        ask("enable")
        options = {"--etcd-user": "root", "--etcd-password": PASSWORD}
        cluster = Cluster(peer_tree, tmp_path, stack, count=2, options=listed(options), etcd=etcd)
        node = cluster.nodes[1]
        node.kill()
        node.command[node.command.index(PASSWORD)] = "another one"
        node.start()
        until(lambda: "etcd fails: " in node.log and "password" in node.log, lambda: node.log[-2000:])
        assert node.figure("peer_tree_cluster_slots") == 0
        assert "another one" not in node.log
