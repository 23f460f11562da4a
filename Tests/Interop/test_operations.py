"""Running a server: metrics, an orderly stop, HTTPS with certificates that are replaced, tokens, logs."""

import base64
import contextlib
import datetime
import http.client
import ipaddress
import json
import os
import re
import signal
import socket
import ssl
import struct
import time
import urllib.error
import urllib.request

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils
from processes import own_port, run, running


@pytest.fixture
def peer_tree(program):
    return program("peer-tree")


@contextlib.contextmanager
def serving(peer_tree, *options, port=0):
    with running(peer_tree, "serve", "--port", port, "--json", *options) as process:
        yield process, process.event("listening")["port"]


def get(url, **options):
    with urllib.request.urlopen(url, timeout=5, **options) as answer:
        return answer.read().decode()


def metrics(port):
    text = get(f"http://127.0.0.1:{port}/metrics")
    return {name: float(value) for name, value in re.findall(r"^([a-z]\S*) (\S+)$", text, re.MULTILINE)}


def until(condition, what, timeout=20):
    end = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < end, f"after {timeout} s: {what}"
        time.sleep(0.1)
    return value


def test_metrics_tell_of_peers_refusals_and_latencies(peer_tree, root, tmp_path):
    clip = root / "Demo" / "clip.webm"
    with serving(peer_tree) as (_, port):
        server = f"http://127.0.0.1:{port}"
        assert get(f"{server}/healthz") == "ok\n"
        done = run(
            [peer_tree, "watch", f"{server}/watch/nosuchtree", "-o", tmp_path / "x"], capture_output=True, timeout=30
        )
        assert done.returncode == 69
        with running(peer_tree, "broadcast", clip, "--rate", "100k", "--server", server) as source:
            with running(peer_tree, "watch", source.line(), "-o", tmp_path / "out", "--json") as viewer:
                viewer.event("connect")
                found = metrics(port)
    assert found["peer_tree_trees"] == 1
    assert found["peer_tree_peers"] == 2
    assert found["peer_tree_clients"] == 2
    assert found["peer_tree_depth"] == 1
    assert found["peer_tree_joins_total"] == 1
    assert found['peer_tree_refusals_total{code="unknown-tree"}'] == 1
    assert found['peer_tree_events_total{event="simple-signal[discover]"}'] == 3
    assert found["peer_tree_discover_seconds_count"] == 3
    assert found['peer_tree_discover_seconds_bucket{le="10"}'] == 3


def test_a_server_that_stops_in_order_tells_its_peers_and_they_come_back(peer_tree, root, tmp_path):
    clip = root / "Demo" / "clip.webm"
    key = ["--state-key", tmp_path / "key"]
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(own_port())
        server, _ = stack.enter_context(serving(peer_tree, *key, port=port))
        source = stack.enter_context(
            running(peer_tree, "broadcast", clip, "--rate", "60k", "--server", f"http://127.0.0.1:{port}")
        )
        link = source.line()
        viewer = stack.enter_context(running(peer_tree, "watch", link, "-o", tmp_path / "out", "--json"))
        viewer.event("connect")
        server.signal(signal.SIGTERM)
        assert server.wait(20) == 0
        viewer.event("server-going-away")
        viewer.event("server-lost")
        stack.enter_context(serving(peer_tree, *key, port=port))
        viewer.event("server-back")
        status = f"http://127.0.0.1:{port}/status?tree={link.rsplit('/', 1)[1]}"

        def is_whole():
            with contextlib.suppress(OSError):
                peers = json.loads(get(status))["peers"]
                return len(peers) == 1 and peers[0]["parents"] != [None]

        until(is_whole, "the tree is not what it was")
        assert oct((tmp_path / "key").stat().st_mode)[-3:] == "600"


@pytest.fixture
def certify(tmp_path):
    """certify(NAME) writes a certificate of that name and its key, and returns the options that name them."""

    def write(name, hours=24, folder=tmp_path):
        certificate, key = folder / "certificate.pem", folder / "key.pem"
        private = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        now = datetime.datetime.now(datetime.timezone.utc)
        built = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(private.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=48))
            .not_valid_after(now + datetime.timedelta(hours=hours))
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(private, hashes.SHA256())
        )
        key.write_bytes(
            private.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        certificate.write_bytes(built.public_bytes(serialization.Encoding.PEM))
        return ["--tls-certificate", certificate, "--tls-key", key]

    return write


def served_name(port):
    """The name in the certificate that the server shows now."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port), timeout=5) as plain:
        with context.wrap_socket(plain) as secure:
            der = secure.getpeercert(binary_form=True)
    return x509.load_der_x509_certificate(der).subject.rfc4514_string()


def test_https_takes_in_a_new_certificate_on_sighup_and_when_its_file_changes(peer_tree, certify, tmp_path):
    options = certify("first")
    with serving(peer_tree, *options) as (server, port):
        context = ssl.create_default_context(cafile=options[1])
        assert get(f"https://127.0.0.1:{port}/healthz", context=context) == "ok\n"
        assert served_name(port) == "CN=first"
        certify("second")
        server.signal(signal.SIGHUP)
        until(lambda: served_name(port) == "CN=second", "SIGHUP changed nothing", 3)
        certify("third")
        until(lambda: served_name(port) == "CN=third", "the changed file was not noticed")
        # One that cannot be used changes nothing, and is complained about.
        options[1].write_text("no certificate")
        until(lambda: any("cannot be used" in line for line in server.errors if line), "nothing was logged")
        assert served_name(port) == "CN=third"


def proxied(port, source, context):
    """The status of a handshake that a proxy passes on, over TLS, with a header of the PROXY protocol in front."""
    addresses = socket.inet_aton(source) + socket.inet_aton("127.0.0.1")
    header = b"\r\n\r\n\0\r\nQUIT\n" + struct.pack("!BBH", 0x21, 0x11, 12) + addresses + struct.pack("!HH", 4711, port)
    with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
        plain.sendall(header)
        with context.wrap_socket(plain, server_hostname="127.0.0.1") as secure:
            secure.sendall(b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: a\r\n\r\n")
            return int(secure.recv(4096).split()[1])


def test_behind_a_proxy_limits_count_by_the_client_s_address(peer_tree, certify):
    options = certify("first")
    with serving(peer_tree, *options, "--trusted-proxies", "::1, 127.0.0.0/8", "--max-connections-per-address", 1) as (_, port):
        context = ssl.create_default_context(cafile=options[1])
        assert proxied(port, "198.51.100.1", context) == 200
        assert proxied(port, "198.51.100.2", context) == 200
        assert proxied(port, "198.51.100.1", context) == 503
        # Who sends none is served as well: the proxy asks after the server's health.
        assert get(f"https://127.0.0.1:{port}/readyz", context=context) == "ready\n"


def test_the_links_of_pages_say_https_where_a_trusted_proxy_says_so(peer_tree, tmp_path):
    def link(port, **headers):
        request = urllib.request.Request(f"http://127.0.0.1:{port}/watch/T", headers=headers)
        return re.search(r"peer-tree watch (\w+)://127.0.0.1", get(request))[1]

    https = {"X-Forwarded-Proto": "https"}
    # Without the browser client, so that the pages show commands.
    with serving(peer_tree, "--web", tmp_path, "--trusted-proxies", "127.0.0.0/8") as (_, port):
        assert link(port) == "http"
        assert link(port, **https) == "https"
        assert link(port, **{"X-Forwarded-Proto": "HTTPS, http"}) == "https"
        assert link(port, **{"X-Forwarded-Proto": "javascript"}) == "http"
    with serving(peer_tree, "--web", tmp_path, "--trusted-proxies", "10.0.0.0/8") as (_, port):
        assert link(port, **https) == "http"


def test_a_server_that_was_started_again_is_not_ready_while_its_peers_have_time_to_come_back(peer_tree, tmp_path):
    key = tmp_path / "key"
    key.write_text("01" * 32)
    with serving(peer_tree, "--state-key", key, "--restore-wait", 3600) as (_, port):
        with pytest.raises(urllib.error.HTTPError) as refusal:
            get(f"http://127.0.0.1:{port}/readyz")
        assert (refusal.value.code, refusal.value.read()) == (503, b"restoring\n")
        assert get(f"http://127.0.0.1:{port}/healthz") == "ok\n"
    with serving(peer_tree, "--state-key", key, "--restore-wait", 0) as (_, port):
        assert get(f"http://127.0.0.1:{port}/readyz") == "ready\n"


def test_a_broadcast_reaches_viewers_through_a_server_behind_https(peer_tree, certify, tmp_path):
    clip = tmp_path / "stream"
    clip.write_bytes(os.urandom(500_000))
    options = certify("the server")
    # Without the browser client, so that the pages show commands.
    with serving(peer_tree, *options, "--web", tmp_path) as (_, port):
        server = f"https://127.0.0.1:{port}"
        trust = ["--ca-file", options[1]]
        with running(peer_tree, "broadcast", clip, "--server", server, *trust, "--linger", 1, "--viewers", 2) as source:
            link = source.line()
            assert link.startswith(f"{server}/watch/")
            with contextlib.ExitStack() as stack:
                viewers = [
                    stack.enter_context(running(peer_tree, "watch", link, "-o", tmp_path / f"out{number}", *way))
                    for number, way in enumerate([trust, ["--pin", options[1]]])
                ]
                for viewer in viewers:
                    assert viewer.wait(60) == 0, viewer.errors
        for number in range(2):
            assert (tmp_path / f"out{number}").read_bytes() == clip.read_bytes()
        context = ssl.create_default_context(cafile=options[1])
        assert f"--server {server}\n" in get(f"{server}/", context=context)
        assert f"peer-tree watch {server}/watch/T " in get(f"{server}/watch/T", context=context)


UNKNOWN = "peer-tree: No tree has the id 'T': check the link, or ask the broadcaster for a new one."


def test_a_server_whose_certificate_is_not_trusted_expired_or_another_s_is_refused_in_one_sentence(
    peer_tree, certify, tmp_path
):
    def refusal(server, *options):
        done = run(
            [peer_tree, "watch", f"{server}/watch/T", "-o", tmp_path / "x", *options],
            capture_output=True, text=True, timeout=30,
        )
        return done.returncode, done.stderr.strip()

    options = certify("the server")
    with serving(peer_tree, *options) as (_, port):
        server = f"https://127.0.0.1:{port}"
        begin = f"peer-tree: Cannot connect to {server}: "
        assert refusal(server, "--ca-file", options[1]) == (69, UNKNOWN)
        assert refusal(server, "--insecure") == (69, UNKNOWN)
        code, text = refusal(server)
        assert code == 69
        # A machine without authorities of its own says that instead.
        assert "authority that is not trusted here" in text or "install them" in text
        assert refusal(f"https://localhost:{port}", "--ca-file", options[1]) == (
            69, f"peer-tree: Cannot connect to https://localhost:{port}: the server's certificate is not for 'localhost': "
            "use the name that it is for",
        )
        # Not in the place of the server's own, which would take it in.
        (tmp_path / "another").mkdir()
        another = certify("another", folder=tmp_path / "another")[1]
        assert refusal(server, "--pin", another) == (
            69, begin + "the server's certificate is not the pinned one: pin the new one, if it was replaced",
        )
        assert refusal(server, "--pin", options[1]) == (69, UNKNOWN)
    options = certify("the server", hours=-1)
    with serving(peer_tree, *options) as (_, port):
        code, text = refusal(f"https://127.0.0.1:{port}", "--ca-file", options[1])
        assert code == 69
        assert re.search(r": the server's certificate expired on \d{4}-\d\d-\d\d: it has to be renewed$", text), text


def test_a_certificate_that_cannot_be_used_or_comes_without_its_key_is_refused(peer_tree, tmp_path):
    def serve(*options):
        command = [peer_tree, "serve", "--port", "0", *options]
        return run(command, capture_output=True, text=True, timeout=30)

    done = serve("--tls-certificate", "/no/such/file", "--tls-key", "/no/such/file")
    assert done.returncode == 66
    assert "/no/such/file" in done.stderr
    done = serve("--tls-certificate", "x")
    assert done.returncode == 64
    assert "tls-certificate and tls-key must be given together" in done.stderr


def test_creating_and_joining_need_the_tokens_that_the_server_asks_for(peer_tree, root, tmp_path):
    clip = root / "Demo" / "clip.webm"
    secrets = ["--create-secret", "the source may create", "--join-secret", "the viewer may join"]
    with serving(peer_tree, *secrets) as (_, port):
        server = f"http://127.0.0.1:{port}"
        refused = run(
            [peer_tree, "broadcast", clip, "--server", server, "--token", "a wrong token"],
            capture_output=True, text=True, timeout=30,
        )
        assert refused.returncode == 69
        assert "may not create trees here" in refused.stderr
        with running(
            peer_tree, "broadcast", clip, "--raw", "--server", server, "--token", "the source may create", "--linger", 1
        ) as source:
            link = source.line()
            refused = run(
                [peer_tree, "watch", link, "-o", tmp_path / "x"], capture_output=True, text=True, timeout=30
            )
            assert refused.returncode == 69
            assert "may not join this tree" in refused.stderr
            with running(
                peer_tree, "watch", link, "-o", tmp_path / "out", "--token", "the viewer may join"
            ) as viewer:
                assert viewer.wait(60) == 0, viewer.errors
    assert (tmp_path / "out").read_bytes() == clip.read_bytes()


def signed(algorithm, private, claims):
    """A JSON Web Token made with the primitives alone."""

    def part(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=")

    text = part(json.dumps({"alg": algorithm}).encode()) + b"." + part(json.dumps(claims).encode())
    if algorithm == "ES256":
        r, s = utils.decode_dss_signature(private.sign(text, ec.ECDSA(hashes.SHA256())))
        signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    elif algorithm == "RS256":
        signature = private.sign(text, padding.PKCS1v15(), hashes.SHA256())
    else:
        signature = private.sign(text)
    return (text + b"." + part(signature)).decode()


def test_tokens_signed_with_private_keys_let_in_whom_they_name(peer_tree, tmp_path):
    clip = tmp_path / "stream"
    clip.write_bytes(os.urandom(500_000))
    elliptic = ec.generate_private_key(ec.SECP256R1())
    edwards = ed25519.Ed25519PrivateKey.generate()
    private = rsa.generate_private_key(65537, 2048)
    public = tmp_path / "public.pem"
    public.write_bytes(
        elliptic.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )

    def number(value):
        data = value.to_bytes((value.bit_length() + 7) // 8, "big")
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    raw = edwards.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    numbers = private.public_key().public_numbers()
    keys = tmp_path / "keys.json"
    keys.write_text(
        json.dumps(
            {
                "keys": [
                    {"kty": "OKP", "crv": "Ed25519", "x": base64.urlsafe_b64encode(raw).rstrip(b"=").decode()},
                    {"kty": "RSA", "kid": "r", "use": "sig", "n": number(numbers.n), "e": number(numbers.e)},
                ]
            }
        )
    )
    options = ["--jwt-public-key", public, "--jwt-key-set", keys, "--jwt-audience", "peer-tree"]
    with serving(peer_tree, *options) as (_, port):
        server = f"http://127.0.0.1:{port}"

        def code(*command):
            done = run([peer_tree, *command], capture_output=True, text=True, timeout=60)
            return done.returncode, done.stderr

        def broadcast(token):
            return code("broadcast", clip, "--server", server, "--token", token)

        soon = int(time.time()) + 600
        for wrong in [
            signed("ES256", elliptic, {"create": True, "exp": soon}),
            signed("ES256", elliptic, {"create": True, "aud": "peer-tree", "exp": soon - 1200}),
            signed("ES256", ec.generate_private_key(ec.SECP256R1()), {"create": True, "aud": "peer-tree"}),
            signed("EdDSA", edwards, {"join": True, "aud": "peer-tree"}),
        ]:
            status, text = broadcast(wrong)
            assert status == 69
            assert "may not create trees here" in text
        good = signed("ES256", elliptic, {"create": True, "aud": "peer-tree", "exp": soon})
        with running(
            peer_tree, "broadcast", clip, "--server", server, "--token", good, "--linger", 1, "--viewers", 2
        ) as source:
            link = source.line()
            tree = link.rsplit("/", 1)[1]
            status, text = code("watch", link, "-o", tmp_path / "x", "--token", good)
            assert (status, "may not join this tree" in text) == (69, True)
            tokens = [
                signed("EdDSA", edwards, {"join": True, "tree": tree, "aud": ["peer-tree"]}),
                signed("RS256", private, {"join": True, "aud": "peer-tree", "nbf": soon - 1200}),
            ]
            with contextlib.ExitStack() as stack:
                for number, token in enumerate(tokens):
                    output = tmp_path / f"out{number}"
                    viewer = stack.enter_context(running(peer_tree, "watch", link, "-o", output, "--token", token))
                    tokens[number] = (viewer, output)
                for viewer, output in tokens:
                    assert viewer.wait(60) == 0, viewer.errors
                    assert output.read_bytes() == clip.read_bytes()


@pytest.mark.parametrize("name", ["jwt-public-key", "jwt-key-set"])
def test_keys_of_tokens_that_cannot_be_used_end_the_server_with_a_sentence(peer_tree, tmp_path, name):
    path = tmp_path / "keys"

    def serve():
        done = run(
            [peer_tree, "serve", "--port", "0", f"--{name}", path], capture_output=True, text=True, timeout=30
        )
        return done.returncode, done.stderr

    status, text = serve()
    assert (status, f"'{path}'" in text) == (66, True)
    path.write_text('{"keys": []}')
    status, text = serve()
    assert (status, f"The file '{path}' with keys of tokens cannot be used" in text) == (66, True)


def test_pages_answer_head_and_options_and_refuse_other_methods(peer_tree):
    with serving(peer_tree) as (_, port):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)

        def ask(method, path, **headers):
            # All over one connection, which stays open.
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read(), answer.headers

        for path in ["/", "/watch/T", "/healthz", "/status", "/metrics", "/peer-tree.js"]:
            status, body, headers = ask("GET", path)
            assert status == 200 and body
            head_status, nothing, head = ask("HEAD", path)
            assert (head_status, nothing) == (200, b"")
            assert head["Content-Type"] == headers["Content-Type"]
            if path != "/metrics":
                assert head["Content-Length"] == headers["Content-Length"] == str(len(body))
            for method in ["POST", "PUT", "DELETE"]:
                status, _, headers = ask(method, path)
                assert (status, headers["Allow"]) == (405, "GET, HEAD, OPTIONS")
            status, body, headers = ask("OPTIONS", path)
            assert (status, body, headers["Allow"]) == (204, b"", "GET, HEAD, OPTIONS")
        for method in ["GET", "HEAD"]:
            assert ask(method, "/no/such/page")[0] == 404
        tag = ask("GET", "/peer-tree.js")[2]["ETag"]
        for condition in [tag, f"W/{tag}", f'"x", {tag}', "*"]:
            assert ask("GET", "/peer-tree.js", **{"If-None-Match": condition})[:2] == (304, b"")
        assert ask("GET", "/peer-tree.js", **{"If-None-Match": '"x"'})[0] == 200
        connection.close()


def test_only_the_listed_origins_may_connect(peer_tree):
    with serving(peer_tree, "--origins", "https://good.example") as (_, port):
        url = f"http://127.0.0.1:{port}/socket.io/?EIO=4&transport=polling"

        def status(origin):
            request = urllib.request.Request(url, headers={"Origin": origin} if origin else {})
            try:
                with urllib.request.urlopen(request, timeout=5) as answer:
                    return answer.status, answer.headers.get("Access-Control-Allow-Origin")
            except urllib.error.HTTPError as error:
                return error.code, None

        assert status(None)[0] == 200
        assert status("https://good.example") == (200, "https://good.example")
        assert status("https://evil.example")[0] == 403


def test_logs_are_json_lines_if_asked_for(peer_tree, tmp_path):
    with serving(peer_tree, "--log-format", "json", "--log-level", "trace") as (server, port):
        get(f"http://127.0.0.1:{port}/healthz")
        server.signal(signal.SIGTERM)
        assert server.wait(20) == 0
    lines = [json.loads(line) for line in server.errors if line]
    assert lines
    assert all({"time", "level", "label", "message"} <= set(line) for line in lines)


@pytest.mark.parametrize("text", ["", "0" * 63, "z" * 64])
def test_a_state_key_that_is_none_is_refused(peer_tree, tmp_path, text):
    path = tmp_path / "key"
    path.write_text(text)
    done = run(
        [peer_tree, "serve", "--port", "0", "--state-key", path], capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 66
    assert f"The state key '{path}' cannot be used" in done.stderr


@pytest.mark.parametrize(
    "name, reason",
    [
        ("folder", "it cannot be read: Is a directory"),
        ("file/key", "it cannot be read: Not a directory"),
        ("nowhere/key", "it cannot be made: No such file or directory"),
        ("long", "it must hold 64 hexadecimal digits"),
    ],
)
def test_a_state_key_that_cannot_be_read_or_made_is_refused_with_the_reason(peer_tree, tmp_path, name, reason):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("01" * 32)
    (tmp_path / "long").symlink_to("/dev/zero")
    path = tmp_path / name
    done = run([peer_tree, "serve", "--port", 0, "--state-key", path], 30, capture_output=True, text=True)
    assert done.returncode == 66
    assert f"The state key '{path}' cannot be used: {reason}" in done.stderr


def test_a_state_key_that_its_user_may_not_read_is_not_taken_for_absent(peer_tree, tmp_path):
    path = tmp_path / "key"
    path.write_text("01" * 32)
    path.chmod(0)
    command = [peer_tree, "serve", "--port", 0, "--state-key", path]
    if os.geteuid() == 0:
        # A file's mode does not stop whoever has these.
        command = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search", *command]
    done = run(command, 30, capture_output=True, text=True)
    assert done.returncode == 66
    assert f"The state key '{path}' cannot be used: it cannot be read: Permission denied" in done.stderr
