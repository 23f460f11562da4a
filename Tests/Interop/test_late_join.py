"""What a late viewer gets, the header and then a stream from a join point on, is a file that ffmpeg accepts whole."""

import json

import pytest
from processes import run


# A new cluster at every key frame, and nowhere else.
CLUSTERS = ["-cluster_time_limit", "10000", "-cluster_size_limit", "10000000", "-f", "webm", "pipe:1"]


def late_join(program, stream, join_point, output):
    with open(output, "wb") as file:
        run([program("late-join"), str(stream), str(join_point)], stdout=file, check=True, timeout=60)


def probe(path):
    entries = "packet=stream_index,pts_time,flags:stream=index,codec_type,codec_name"
    command = ["ffprobe", "-v", "error", "-show_entries", entries, "-of", "json", str(path)]
    done = run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr == ""
    return json.loads(done.stdout)


def first_video_packet(report):
    video = next(stream["index"] for stream in report["streams"] if stream["codec_type"] == "video")
    return next(packet for packet in report["packets"] if packet["stream_index"] == video)


@pytest.mark.parametrize("join_point", [0, 1, 5, 11])
def test_demo_clip_decodes_from_every_join_point(program, root, ffmpeg, tmp_path, join_point):
    late = tmp_path / "late.webm"
    late_join(program, root / "Demo" / "clip.webm", join_point, late)
    assert ffmpeg("-i", late, "-f", "null", "-") == ""
    first = first_video_packet(probe(late))
    assert "K" in first["flags"]
    assert float(first["pts_time"]) == pytest.approx(join_point, abs=0.1)


def test_from_the_first_join_point_on_the_stream_is_unchanged(program, root, tmp_path):
    late = tmp_path / "late.webm"
    clip = root / "Demo" / "clip.webm"
    late_join(program, clip, 0, late)
    assert late.read_bytes() == clip.read_bytes()


@pytest.mark.parametrize(
    "encoding",
    [
        ["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-c:a", "libopus", "-live", "1"],
        ["-c:v", "libvpx", "-deadline", "realtime", "-c:a", "libvorbis", "-ac", "2"],
    ],
    ids=["live VP9 and Opus", "VP8 and Vorbis"],
)
def test_other_encodings_decode_from_a_join_point(program, ffmpeg, tmp_path, encoding):
    stream, late = tmp_path / "stream.webm", tmp_path / "late.webm"
    picture, tone = "testsrc2=size=160x120:rate=25:duration=3", "sine=frequency=440:duration=3"
    inputs = ["-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", tone]
    with open(stream, "wb") as file:
        command = ["ffmpeg", "-v", "error", "-nostdin", *inputs, "-g", "25", *encoding, *CLUSTERS]
        run(command, stdout=file, check=True, timeout=120)
    late_join(program, stream, 2, late)
    assert ffmpeg("-i", late, "-f", "null", "-") == ""
    first = first_video_packet(probe(late))
    assert "K" in first["flags"]
    assert float(first["pts_time"]) == pytest.approx(2, abs=0.1)


def test_audio_alone_can_be_joined_at_every_cluster(program, ffmpeg, tmp_path):
    stream, late = tmp_path / "stream.webm", tmp_path / "late.webm"
    tone = "sine=frequency=440:duration=6"
    with open(stream, "wb") as file:
        command = ["ffmpeg", "-v", "error", "-nostdin", "-f", "lavfi", "-i", tone, "-c:a", "libopus"]
        command += ["-cluster_time_limit", "1000", "-f", "webm", "pipe:1"]
        run(command, stdout=file, check=True, timeout=120)
    late_join(program, stream, 2, late)
    assert ffmpeg("-i", late, "-f", "null", "-") == ""
    packets = probe(late)["packets"]
    assert float(packets[0]["pts_time"]) == pytest.approx(2, abs=0.2)
