"""The command line as a user meets it: real processes, real files, real faults."""

import hashlib
import os
import signal
import socket
import subprocess
import time

import pytest
from processes import own_port, run, running


@pytest.fixture
def peer_tree(program):
    return program("peer-tree")


@pytest.fixture
def clip(root):
    return root / "Demo" / "clip.webm"


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def server(peer_tree):
    """The address of a server that runs as long as the test."""
    with running(peer_tree, "serve", "--port", 0, "--k", 2, "--k1", 2, "--json") as process:
        yield f"http://127.0.0.1:{process.event('listening')['port']}"


def test_a_file_reaches_viewers_byte_for_byte_and_everyone_exits(peer_tree, start, clip, tmp_path):
    with running(peer_tree, "broadcast", clip, "--raw", "--viewers", 5, "--k", 1, "--k1", 2) as source:
        link = source.line()
        viewers = [start(peer_tree, "watch", link, "--output", tmp_path / f"{number}.webm") for number in range(5)]
        assert [viewer.wait(60) for viewer in viewers] == [0] * 5
        assert source.wait() == 0
    for number in range(5):
        assert digest(tmp_path / f"{number}.webm") == digest(clip)
    assert len(list(tmp_path.iterdir())) == 5


def test_a_viewer_goes_on_when_nobody_reads_what_it_says_of_itself(peer_tree, start, server, clip, tmp_path):
    with running(peer_tree, "broadcast", clip, "--raw", "--rate", "400k", "--viewers", 1, "--server", server) as source:
        watch = f"exec {peer_tree} watch {source.line()} --output {tmp_path / 'copy'} --json"
        assert start("bash", "-c", f"{watch} > >(read line) 2>&1").wait(60) == 0
    assert digest(tmp_path / "copy") == digest(clip)


def test_a_server_goes_on_when_nobody_reads_its_log(peer_tree, start, clip, tmp_path):
    with own_port() as port:
        serve = f"exec {peer_tree} serve --port {port} --json --log-level trace --log-format json"
        start("bash", "-c", f"{serve} 2> >(read line)").event("listening")
        with running(peer_tree, "broadcast", clip, "--raw", "--server", f"http://127.0.0.1:{port}") as source:
            assert start(peer_tree, "watch", source.line(), "--output", tmp_path / "copy").wait(60) == 0


def test_the_demonstration_kills_a_relay_and_every_survivor_is_whole(peer_tree, root):
    done = run(
        [peer_tree, "demo", "--viewers", "24", "--seconds", "6"], cwd=root, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("= source") == 23
    assert "Killed v" in done.stdout
    assert "└─" in done.stdout


def test_a_live_pipe_can_be_watched_from_its_middle(peer_tree, start, server, ffmpeg, tmp_path):
    sent = tmp_path / "sent.webm"
    pipeline = (
        "ffmpeg -v error -re -f lavfi -i testsrc2=size=320x180:rate=25 -f lavfi -i sine=frequency=440 -t 9 "
        "-c:v libvpx -deadline realtime -cpu-used 8 -g 25 -c:a libopus "
        "-cluster_time_limit 10000 -cluster_size_limit 10000000 -f webm - "
        f"| tee {sent} | {peer_tree} broadcast - --raw --server {server}"
    )
    with running("bash", "-c", pipeline) as source:
        link = source.line()
        early = [start("sh", "-c", f"exec {peer_tree} watch {link} > {tmp_path}/early{n}.webm") for n in range(2)]
        end = time.monotonic() + 60
        while not sent.exists() or sent.stat().st_size < 150_000:
            assert time.monotonic() < end, "ffmpeg wrote nothing"
            time.sleep(0.1)
        late = start("sh", "-c", f"exec {peer_tree} watch {link} > {tmp_path}/late.webm")
        assert [viewer.wait(60) for viewer in [*early, late]] == [0, 0, 0]
        assert source.wait() == 0
    whole = sent.read_bytes()
    assert (tmp_path / "early0.webm").read_bytes() == whole
    assert (tmp_path / "early1.webm").read_bytes() == whole
    part = (tmp_path / "late.webm").read_bytes()
    assert 0 < len(part) < len(whole)
    assert whole.endswith(part[-100_000:])
    for name in ["early0", "late"]:
        assert ffmpeg("-i", tmp_path / f"{name}.webm", "-f", "null", "-") == ""


def test_a_newcomer_of_bytes_with_marks_begins_at_a_new_one(peer_tree, server, tmp_path):
    lines = []
    command = ["broadcast", "-", "--raw", "--live", "--join-every", 0.2, "--server", server, "--json"]
    with running(peer_tree, *command, stdin=subprocess.PIPE) as source:
        link = source.event("link")["link"]

        def write():
            lines.append(f"{len(lines):0255}\n".encode())
            source.process.stdin.write(lines[-1])
            source.process.stdin.flush()

        with running(peer_tree, "watch", link, "--output", tmp_path / "early", "--json") as early:
            early.event("connect")
            begin = time.monotonic()
            # One after the other, so that each is a message: of the later ones one has a mark.
            while time.monotonic() < begin + 1:
                write()
                wait_for_size(tmp_path / "early.part", 256 * len(lines))
            with running(peer_tree, "watch", link, "--output", tmp_path / "late", "--json") as late:
                late.event("connect")
                write()
                source.process.stdin.close()
                assert [viewer.wait(60) for viewer in (early, late)] == [0, 0]
        assert source.wait(60) == 0
    whole, part = (tmp_path / "early").read_bytes(), (tmp_path / "late").read_bytes()
    assert whole == b"".join(lines)
    assert 0 < len(part) < len(whole)
    assert whole.endswith(part)


def test_when_the_source_is_killed_viewers_say_so_and_leave_nothing_that_looks_whole(peer_tree, server, clip, tmp_path):
    output = tmp_path / "out.webm"
    with running(peer_tree, "broadcast", clip, "--rate", "100k", "--server", server) as source:
        link = source.line()
        with running(peer_tree, "watch", link, "--output", output, "--json") as viewer:
            viewer.event("connect")
            wait_for_size(tmp_path / "out.webm.part", 20_000)
            source.signal(signal.SIGKILL)
            assert viewer.wait() == 1
            assert "source left or vanished" in viewer.error_text
    assert not output.exists()


def test_a_relay_stopped_by_ctrl_c_hands_its_child_over(peer_tree, clip, tmp_path):
    with running(peer_tree, "broadcast", clip, "--raw", "--rate", "400k", "--viewers", 2, "--k1", 1, "--k", 1) as source:
        link = source.line()
        with running(peer_tree, "watch", link, "--output", tmp_path / "relay", "--json") as relay:
            relay.event("connect")
            with running(peer_tree, "watch", link, "--output", tmp_path / "leaf", "--json") as leaf:
                leaf.event("connect")
                wait_for_size(tmp_path / "leaf.part", 100_000)
                relay.signal(signal.SIGINT)
                assert relay.wait() == 130
                assert leaf.wait() == 0
                assert source.wait() == 0
    assert digest(tmp_path / "leaf") == digest(clip)
    assert not (tmp_path / "relay").exists()


def test_ctrl_c_ends_a_broadcast_that_waits_for_a_silent_pipe(peer_tree):
    with running(peer_tree, "broadcast", "-", stdin=subprocess.PIPE) as source:
        source.line()
        source.signal(signal.SIGINT)
        assert source.wait(10) == 130


def test_ctrl_c_ends_a_broadcast_that_waits_for_a_slow_viewer(peer_tree, tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with running("bash", "-c", f"exec {peer_tree} broadcast - < /dev/zero") as source:
        link = source.line()
        with running("bash", "-c", f"exec {peer_tree} watch {link} --json 2>&1 > {fifo}", cwd=tmp_path) as viewer:
            # The pipe is opened and never read: the stream fills the window and then waits.
            with open(fifo, "rb", buffering=0) as reader:
                assert viewer.event("connect")
                assert reader.read(1)
                time.sleep(2)
                source.signal(signal.SIGINT)
                assert source.wait(10) == 130


def test_the_stream_outlives_the_server(peer_tree, clip, tmp_path):
    with running(peer_tree, "serve", "--port", 0, "--json") as server:
        address = f"http://127.0.0.1:{server.event('listening')['port']}"
        with running(peer_tree, "broadcast", clip, "--raw", "--rate", "400k", "--server", address, "--linger", 2) as source:
            link = source.line()
            with running(peer_tree, "watch", link, "--output", tmp_path / "out", "--json") as viewer:
                viewer.event("connect")
                wait_for_size(tmp_path / "out.part", 50_000)
                server.signal(signal.SIGKILL)
                assert viewer.wait() == 0
                assert source.wait() == 0
    assert digest(tmp_path / "out") == digest(clip)


def wait_for_size(path, size):
    end = time.monotonic() + 30
    while not path.exists() or path.stat().st_size < size:
        assert time.monotonic() < end, f"{path} did not reach {size} bytes"
        time.sleep(0.02)


FAULTS = [
    (["watch", "nonsense", "-o", "x"], 64, "not a link to watch"),
    (["watch"], 64, "Missing expected argument"),
    (["watch", "http://127.0.0.1:1/watch/T", "-o", "x"], 69, "Cannot connect to http://127.0.0.1:1: connection refused"),
    (["watch", "http://no-such-host.invalid/watch/T", "-o", "x"], 69, "Cannot connect to http://no-such-host.invalid"),
    (["watch", "https://127.0.0.1:1/watch/T", "-o", "x"], 69, "Cannot connect to https://127.0.0.1:1: connection refused"),
    (["watch", "https://127.0.0.1:1/watch/T", "-o", "x", "--ca-file", "/no/such"], 66, "the file '/no/such' has no certificates"),
    (["watch", "https://127.0.0.1:1/watch/T", "-o", "x", "--pin", "a", "--insecure"], 64, "only one can be given"),
    (["watch", "{server}/watch/nosuchtree", "-o", "x"], 69, "No tree has the id 'nosuchtree'"),
    (["watch", "{server}/watch/__proto__", "-o", "x"], 69, "No tree has the id '__proto__'"),
    (["watch", "{server}/watch/T", "-o", "/no/such/folder/x"], 73, "Cannot write '/no/such/folder/x'"),
    (["broadcast", "/no/such/file"], 66, "Cannot read '/no/such/file'"),
    (["broadcast", "/"], 66, "it is a directory"),
    (["broadcast", "-", "--port", "{port}"], 71, "in use"),
    (["broadcast", "-", "--rate", "fast"], 64, "not a number of bytes"),
    (["broadcast", "-", "--loop"], 64, "--loop needs a file"),
    (["broadcast", "-", "--identity", "key", "--unsigned"], 64, "leave it or --unsigned out"),
    (["broadcast", "/dev/null", "--pace", "slow"], 64, "'slow' is invalid"),
    (["serve", "--port", "{port}"], 71, "in use"),
    (["serve", "--port", "70000"], 64, "--port must be 0 to 65535"),
    (["serve", "--k", "0"], 64, "--k must be 1 to 64"),
    (["demo", "--viewers", "1"], 64, "--viewers must be 2 to 200"),
    (["demo", "--clip", "/no/such/clip"], 66, "Cannot read '/no/such/clip'"),
    (["nonsense"], 64, "nonsense"),
]


@pytest.mark.parametrize("arguments, code, sentence", FAULTS, ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_a_fault_gets_one_sentence_and_its_exit_code(peer_tree, server, tmp_path, arguments, code, sentence):
    port = server.rsplit(":", 1)[1]
    filled = [argument.format(server=server, port=port) for argument in arguments]
    done = run(
        [peer_tree, *filled], cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == code, done.stderr
    assert sentence in done.stderr
    assert code == 64 or done.stderr.count("\n") == 1
    assert done.stdout == ""
    assert os.listdir(tmp_path) == []


def test_a_full_disk_is_reported(peer_tree, clip):
    if not os.path.exists("/dev/full"):
        pytest.skip("this system has no /dev/full")
    with running(peer_tree, "broadcast", clip, "--pace", "fast", "--linger", 1) as source:
        with running(peer_tree, "watch", source.line(), "--output", "/dev/full") as viewer:
            assert viewer.wait() == 74
            assert "No space left" in viewer.error_text


@pytest.mark.parametrize("command", ["serve", "broadcast", "watch", "demo"])
def test_every_command_has_help_with_an_example(peer_tree, command):
    done = run([peer_tree, command, "--help"], capture_output=True, text=True, timeout=20)
    assert done.returncode == 0
    assert "EXAMPLE" in done.stdout and f"peer-tree {command}" in done.stdout


def test_garbage_on_the_servers_port_disturbs_nobody(peer_tree, server, clip, tmp_path):
    host, port = server.removeprefix("http://").split(":")
    with running(peer_tree, "broadcast", clip, "--raw", "--rate", "500k", "--server", server) as source:
        with running(peer_tree, "watch", source.line(), "--output", tmp_path / "out", "--json") as viewer:
            viewer.event("connect")
            for garbage in [b"\x00" * 1000, b"GET / HTTP/1.1\r\n" * 100, b"\x16\x03\x01" + os.urandom(500), os.urandom(5000)]:
                with socket.create_connection((host, int(port))) as connection:
                    connection.sendall(garbage)
            assert viewer.wait() == 0
            assert source.wait() == 0
    assert digest(tmp_path / "out") == digest(clip)


def test_commands_are_quiet_in_pipes(peer_tree, clip, tmp_path):
    with running(peer_tree, "broadcast", clip, "--raw") as source:
        link = source.line()
        viewer = run([peer_tree, "watch", link], capture_output=True, timeout=60)
        assert source.wait() == 0
        assert source.error_text == ""
    assert viewer.stderr == b""
    assert hashlib.sha256(viewer.stdout).hexdigest() == digest(clip)


