"""Files that ffmpeg makes, and what ffmpeg and ffprobe find in files."""

import json

from processes import run

PICTURE = ["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:duration=3"]
TONE = ["-f", "lavfi", "-i", "sine=frequency=440:duration=3"]
BOTH = [*PICTURE, *TONE]
OPUS = ["-c:a", "libopus", "-b:a", "48k"]

# Name: inputs and codecs, container.
ENCODINGS = {
    "vp8-opus": ([*BOTH, "-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-g", "25", *OPUS], "webm"),
    "vp9-opus": ([*BOTH, "-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-g", "25", *OPUS], "webm"),
    "vp9-altref": ([*PICTURE, "-c:v", "libvpx-vp9", "-deadline", "good", "-cpu-used", "5", "-lag-in-frames", "16"], "webm"),
    "av1-svt-opus": ([*BOTH, "-c:v", "libsvtav1", "-preset", "10", "-g", "25", *OPUS], "webm"),
    "av1-aom": ([*PICTURE, "-c:v", "libaom-av1", "-usage", "realtime", "-cpu-used", "8", "-g", "25"], "webm"),
    "opus-stereo": ([*TONE, "-ac", "2", *OPUS, "-frame_duration", "60"], "webm"),
    "vp8-vorbis": ([*BOTH, "-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-g", "25", "-c:a", "libvorbis"], "webm"),
    "h264-aac": ([*BOTH, "-c:v", "libx264", "-preset", "veryfast", "-g", "25", "-bf", "2", "-c:a", "aac"], "matroska"),
}


def encode(name, folder):
    """A file in one of the encodings; made once in a folder."""
    path = folder / f"{name}.webm"
    if not path.exists():
        arguments, container = ENCODINGS[name]
        command = ["ffmpeg", "-v", "error", "-nostdin", "-y", *arguments, "-f", container, str(path)]
        run(command, check=True, timeout=120, capture_output=True)
    return path


def frames(path):
    """Every packet of a file by track: timestamp, duration, size, MD5, side data; and what the tracks are."""
    command = ["ffmpeg", "-v", "error", "-nostdin", "-copyts", "-i", str(path), "-map", "0", "-c", "copy"]
    done = run([*command, "-f", "framemd5", "-"], capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr == ""
    lines = [line for line in done.stdout.splitlines() if not line.startswith(("#software", "#stream"))]
    packets = {}
    for line in lines:
        if not line.startswith("#"):
            track, *fields = [field.strip() for field in line.split(",")]
            packets.setdefault(track, []).append(fields)
    return packets, [line for line in lines if line.startswith("#")]


def probe(path):
    entries = "format=duration,format_name:packet=stream_index,pts_time,duration_time,flags:stream=index,codec_type,codec_name,width,height"
    command = ["ffprobe", "-v", "error", "-show_entries", entries, "-of", "json", str(path)]
    done = run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr == ""
    return json.loads(done.stdout)


def hashes(path):
    """Size and MD5 of every packet by track."""
    return {track: [tuple(fields[3:5]) for fields in rows] for track, rows in frames(path)[0].items()}
