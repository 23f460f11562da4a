"""Media as frames: what ffmpeg wrote goes in, what ffmpeg and ffprobe accept comes out, not a byte of a frame changed."""

import os
import signal
import time

import pytest
from processes import run, running
from webm import ENCODINGS, PICTURE, encode, frames, hashes, probe


@pytest.fixture
def peer_tree(program):
    return program("peer-tree")


@pytest.fixture(scope="module")
def encoded(tmp_path_factory):
    """encoded(NAME) is a file of ffmpeg's in one of the encodings."""
    folder = tmp_path_factory.mktemp("encoded")
    return lambda name: encode(name, folder)


@pytest.fixture
def server(peer_tree):
    """The address of a server, of trees that are chains, that runs as long as the test."""
    with running(peer_tree, "serve", "--port", 0, "--k", 1, "--k1", 1, "--json") as process:
        yield f"http://127.0.0.1:{process.event('listening')['port']}"


@pytest.mark.parametrize("name", ENCODINGS)
def test_a_file_comes_out_of_a_relay_with_every_frame_as_it_was(peer_tree, server, encoded, ffmpeg, tmp_path, name):
    clip = encoded(name)
    with running(peer_tree, "broadcast", clip, "--pace", "fast", "--viewers", 2, "--server", server) as source:
        link = source.line()
        with running(peer_tree, "watch", link, "--output", tmp_path / "relay.webm") as relay:
            with running(peer_tree, "watch", link, "--output", tmp_path / "leaf.webm") as leaf:
                assert (leaf.wait(), relay.wait(), source.wait()) == (0, 0, 0)
        assert (source.error_text, relay.error_text, leaf.error_text) == ("", "", "")
    for output in ["relay.webm", "leaf.webm"]:
        assert frames(tmp_path / output) == frames(clip)
        assert ffmpeg("-xerror", "-i", tmp_path / output, "-f", "null", "-") == ""
        before, after = probe(clip)["format"], probe(tmp_path / output)["format"]
        assert after["format_name"] == before["format_name"]
        assert float(after["duration"]) == pytest.approx(float(before["duration"]), abs=0.04)
        command = ["ffmpeg", "-v", "error", "-ss", "1.5", "-i", str(tmp_path / output), "-f", "null", "-"]
        assert run(command, capture_output=True, text=True, timeout=60).stderr == "", "it cannot be sought"
    assert len(list(tmp_path.iterdir())) == 2


LIVE = [
    "ffmpeg", "-v", "error", "-nostdin", "-re", "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25",
    "-re", "-f", "lavfi", "-i", "sine=frequency=440", "-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-g", "25",
    "-c:a", "libopus", "-f", "webm",
]


def live_broadcast(peer_tree, server, seconds, copy, *options):
    """ffmpeg's live pipe into a broadcast; what it wrote goes to a file too."""
    encoder = " ".join([*LIVE, "-t", str(seconds), "-"])
    arguments = " ".join(options)
    return running("bash", "-c", f"{encoder} | tee {copy} | exec {peer_tree} broadcast - --server {server} {arguments}")


def wait_for_size(path, size):
    end = time.monotonic() + 30
    while not path.exists() or path.stat().st_size < size:
        assert time.monotonic() < end, f"{path} did not reach {size} bytes"
        time.sleep(0.02)


def test_a_live_pipe_reaches_early_viewers_whole_and_late_ones_from_a_key_frame(peer_tree, start, server, ffmpeg, tmp_path):
    sent = tmp_path / "sent.webm"
    with live_broadcast(peer_tree, server, 7, sent, "--viewers", "1") as source:
        link = source.line()
        early = start("sh", "-c", f"exec {peer_tree} watch {link} > {tmp_path}/early.webm")
        wait_for_size(sent, 100_000)
        late = [
            start(peer_tree, "watch", link, "-o", tmp_path / "late.webm"),
            start("sh", "-c", f"exec {peer_tree} watch {link} > {tmp_path}/late-pipe.webm"),
        ]
        assert [viewer.wait(60) for viewer in [early, *late]] == [0, 0, 0]
        assert source.wait() == 0
    assert frames(tmp_path / "early.webm") == frames(sent)
    whole = hashes(sent)
    for name in ["late.webm", "late-pipe.webm"]:
        part = tmp_path / name
        for track, packets in hashes(part).items():
            assert 0 < len(packets) < len(whole[track])
            assert whole[track][-len(packets):] == packets
        assert ffmpeg("-xerror", "-i", part, "-f", "null", "-") == ""
        packets = probe(part)["packets"]
        video = [packet for packet in packets if packet["stream_index"] == 0]
        assert "K" in video[0]["flags"] and float(video[0]["pts_time"]) == 0
        assert min(float(packet["pts_time"]) for packet in packets) >= -0.007


def test_ctrl_c_completes_the_recording_of_live_media(peer_tree, server, ffmpeg, tmp_path):
    with live_broadcast(peer_tree, server, 30, "/dev/null", "--live") as source:
        link = source.line()
        with running(peer_tree, "watch", link, "-o", tmp_path / "out.webm", "--json") as viewer:
            media = viewer.event("media")
            assert (media["live"], media["codecs"]) == (True, ["vp8", "opus"])
            wait_for_size(tmp_path / "out.webm.part", 60_000)
            viewer.signal(signal.SIGINT)
            assert viewer.wait() == 130
    assert os.listdir(tmp_path) == ["out.webm"]
    assert ffmpeg("-xerror", "-i", tmp_path / "out.webm", "-f", "null", "-") == ""
    report = probe(tmp_path / "out.webm")
    last = max(float(packet["pts_time"]) for packet in report["packets"])
    assert float(report["format"]["duration"]) == pytest.approx(last, abs=0.05)


def test_when_the_source_is_killed_what_came_plays_but_does_not_look_whole(peer_tree, server, encoded, ffmpeg, tmp_path):
    with running(peer_tree, "broadcast", encoded("vp8-opus"), "--loop", "--server", server) as source:
        link = source.line()
        with running(peer_tree, "watch", link, "-o", tmp_path / "out.webm", "--json") as viewer:
            viewer.event("connect")
            wait_for_size(tmp_path / "out.webm.part", 30_000)
            source.signal(signal.SIGKILL)
            assert viewer.wait() == 1
            assert "source left or vanished" in viewer.error_text
    assert os.listdir(tmp_path) == ["out.webm.part"]
    assert ffmpeg("-xerror", "-i", tmp_path / "out.webm.part", "-f", "null", "-") == ""


def test_a_file_plays_at_its_pace_and_again_and_again_on_one_timeline(peer_tree, server, encoded, ffmpeg, tmp_path):
    clip = encoded("vp9-opus")
    with running(peer_tree, "broadcast", clip, "--loop", "--server", server) as source:
        link = source.line()
        begin = time.monotonic()
        with running(peer_tree, "watch", link, "-o", tmp_path / "out.webm", "--json") as viewer:
            viewer.event("connect")
            wait_for_size(tmp_path / "out.webm.part", int(1.6 * clip.stat().st_size))
            elapsed = time.monotonic() - begin
            source.signal(signal.SIGINT)
            assert source.wait() == 130
            assert viewer.wait() == 1
    # More than three seconds of media, of which one may go ahead.
    assert elapsed > 2
    played, clip_frames = hashes(tmp_path / "out.webm.part"), hashes(clip)
    for track, packets in played.items():
        assert len(packets) > len(clip_frames[track])
        assert packets[: 2 * len(clip_frames[track])] == (2 * clip_frames[track])[: len(packets)]
    times = [float(packet["pts_time"]) for packet in probe(tmp_path / "out.webm.part")["packets"] if packet["stream_index"] == 0]
    assert times == sorted(times)
    assert max(later - earlier for earlier, later in zip(times, times[1:])) < 0.1
    assert ffmpeg("-xerror", "-i", tmp_path / "out.webm.part", "-f", "null", "-") == ""


def test_mp4_is_refused_with_the_command_that_converts_it(peer_tree, encoded, tmp_path):
    clip = tmp_path / "it's a clip.mp4"
    run(["ffmpeg", "-v", "error", "-i", str(encoded("h264-aac")), "-c", "copy", str(clip)], check=True, timeout=60)
    done = run([peer_tree, "broadcast", clip], capture_output=True, text=True, timeout=30)
    assert done.returncode == 66 and done.stdout == ""
    assert done.stderr.count("\n") == 1
    command = done.stderr.split("Matroska: ")[1].split(" | ")[0]
    assert run(["bash", "-c", command], capture_output=True, timeout=60).stdout[:4] == b"\x1a\x45\xdf\xa3"


def test_media_that_no_browser_knows_travels_as_a_file(peer_tree, server, tmp_path):
    clip = tmp_path / "old.mkv"
    command = ["ffmpeg", "-v", "error", *PICTURE, "-c:v", "mpeg4", str(clip)]
    run(command, check=True, timeout=60)
    with running(peer_tree, "broadcast", clip, "--server", server) as source:
        with running(peer_tree, "watch", source.line(), "-o", tmp_path / "copy", "--json") as viewer:
            content = viewer.event("content")
            assert (viewer.wait(), source.wait()) == (0, 0)
        assert "sent as a file" in source.error_text and "V_MPEG4" in source.error_text
    assert content == {
        "event": "content", "name": "old.mkv", "type": "video/x-matroska", "size": clip.stat().st_size,
    }
    assert (tmp_path / "copy").read_bytes() == clip.read_bytes()


def test_a_file_that_is_not_media_is_named_but_the_name_is_never_a_path(peer_tree, server, tmp_path):
    (tmp_path / "out").mkdir()
    notes = tmp_path / "notes.txt"
    notes.write_text("für alle\n" * 1000)
    with running(peer_tree, "broadcast", notes, "--server", server) as source:
        with running(peer_tree, "watch", source.line(), "-o", "copy", "--json", cwd=tmp_path / "out") as viewer:
            content = viewer.event("content")
            assert (viewer.wait(), source.wait()) == (0, 0)
    assert (content["name"], content["type"]) == ("notes.txt", "text/plain; charset=utf-8")
    assert os.listdir(tmp_path / "out") == ["copy"]
    assert (tmp_path / "out" / "copy").read_bytes() == notes.read_bytes()


def test_a_file_that_turns_bad_midway_ends_the_broadcast_with_a_sentence(peer_tree, server, encoded, tmp_path):
    good = encoded("vp8-opus").read_bytes()
    bad = tmp_path / "bad.webm"
    bad.write_bytes(good[: len(good) // 2] + bytes(100_000) + good)
    with running(peer_tree, "broadcast", bad, "--pace", "fast", "--server", server) as source:
        with running(peer_tree, "watch", source.line(), "-o", tmp_path / "out.webm") as viewer:
            assert source.wait() == 74
            assert "no longer WebM at byte" in source.error_text
            assert viewer.wait() == 1
