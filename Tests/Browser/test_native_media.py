"""Media between files and browsers, through native peers: pictures show, and no frame changes on its way."""


import pytest
from conftest import in_thread
from processes import run, running
from webm import frames, hashes, probe

# Each picture says its number: bit n is white or black from pixel 40 n on.
NUMBERED = "geq=lum='255*mod(floor(N/pow(2,floor(X/40))),2)':cb=128:cr=128"
CODECS = {
    "vp8": ["-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "800k"],
    "vp9": ["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "800k"],
    "av1": ["-c:v", "libaom-av1", "-usage", "realtime", "-cpu-used", "8", "-b:v", "800k"],
    "h264": ["-c:v", "libx264", "-preset", "veryfast", "-bf", "2", "-pix_fmt", "yuv420p"],
}

# Shows the stream of a tree and writes down the number in every picture.
VIEWER = """
async (tree) => {
  const client = makeClient('built-in');
  client.on('warning', (text) => errors.push(text));
  window.shown = [];
  const canvas = new OffscreenCanvas(640, 16);
  const context = canvas.getContext('2d', { willReadFrequently: true });
  const video = document.createElement('video');
  video.muted = true;
  document.body.append(video);
  client.on('stream', (stream) => {
    video.srcObject = stream;
    video.play();
    const read = () => {
      context.drawImage(video, 0, 0, 640, 16, 0, 0, 640, 16);
      const { data } = context.getImageData(0, 0, 640, 16);
      let number = 0;
      for (let bit = 0; bit < 8; bit++) if (data[(8 * 640 + bit * 40 + 20) * 4] > 127) number |= 1 << bit;
      shown.push(number);
      video.requestVideoFrameCallback(read);
    };
    video.requestVideoFrameCallback(read);
  });
  await client.connect(tree);
  await until(() => has('connect'));
}
"""

# Broadcasts the fake camera in a tree that was made before, and writes down every frame that is sent.
CAMERA = """
async (audio) => {
  window.sent = [];
  const write = client.write.bind(client);
  client.write = (message, options) => {
    if (message instanceof Uint8Array && message[0] === 1) {
      const view = new DataView(message.buffer, message.byteOffset, message.length);
      sent.push([view.getUint8(2), Number(view.getBigInt64(8)), message.length - 24]);
    }
    return write(message, options);
  };
  const stream = await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 360 }, audio });
  window.sender = client.broadcast(stream, { video: { bitrate: 800_000 }, audio: audio ? {} : false });
  sender.started.catch(() => {});
}
"""


def decode(path):
    """What ffmpeg says of a file. A camera's pictures come at any time, also two within one tick of their mean rate."""
    command = ["ffmpeg", "-v", "warning", "-xerror", "-i", str(path), "-fps_mode", "passthrough", "-enc_time_base", "-1"]
    done = run([*command, "-f", "null", "-"], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stderr


@pytest.fixture(scope="module")
def numbered(tmp_path_factory):
    """numbered(CODEC) is a file of three seconds of numbered pictures."""
    folder = tmp_path_factory.mktemp("numbered")

    def make(codec):
        path = folder / f"{codec}.mkv"
        if not path.exists():
            source = f"color=size=640x80:rate=25:duration=3,{NUMBERED}"
            container = "matroska" if codec == "h264" else "webm"
            command = ["ffmpeg", "-v", "error", "-nostdin", "-f", "lavfi", "-i", source, "-f", "lavfi", "-i", "sine=duration=3"]
            command += [*CODECS[codec], "-g", "25", "-c:a", "aac" if codec == "h264" else "libopus", "-f", container, str(path)]
            run(command, check=True, timeout=120)
        return path

    return make


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("browser", ["chromium", "firefox"])
async def test_a_file_shows_in_a_browser_and_reaches_a_native_viewer_below_it_unchanged(
    serve, open_page, peer_tree, numbered, tmp_path, browser, codec
):
    clip, copy = numbered(codec), tmp_path / "copy.mkv"
    with serve(k=1, k1=1) as server:
        with running(peer_tree, "broadcast", clip, "--viewers", 2, "--k1", 1, "--linger", 1, "--server", server) as source:
            link = await in_thread(source.line)
            page = await open_page(browser, server)
            await page.evaluate(VIEWER, link.rsplit("/", 1)[1])
            with running(peer_tree, "watch", link, "--output", copy, "--json") as leaf:
                await page.evaluate("() => until(() => has('end') && shown.at(-1) >= 70, 30000)")
                assert await in_thread(leaf.wait) == 0
                assert await in_thread(source.wait) == 0
            assert (await page.evaluate("client.statistics()"))["bytesSent"] > 10_000, "the page relayed nothing"
        numbers = await page.evaluate("shown")
        assert await page.evaluate("errors") == []
    print(browser, codec, len(numbers), "pictures shown of 75")
    assert numbers == sorted(numbers), "pictures out of order"
    assert len(set(numbers)) >= 40
    assert frames(copy) == frames(clip)


@pytest.mark.parametrize(("browser", "audio"), [("chromium", True), ("firefox", False)])
async def test_the_camera_of_a_browser_becomes_a_file_that_players_accept(
    serve, open_page, peer_tree, tmp_path, browser, audio
):
    output = tmp_path / "out.webm"
    with serve() as server:
        page = await open_page(browser, server)
        tree = await page.evaluate("() => makeClient('built-in').create({ policy: 'live' })")
        with running(peer_tree, "watch", f"{server}/watch/{tree}", "--output", output, "--json") as viewer:
            await in_thread(viewer.event, "connect")
            await page.evaluate(CAMERA, audio)
            await page.evaluate("() => until(() => sent.filter(([track]) => track === 1).length > 75)")
            await page.evaluate("() => sender.stop()")
            assert await in_thread(viewer.wait) == 0
            assert viewer.error_text == ""
        sent = await page.evaluate("sent")
        assert await page.evaluate("errors") == []
    report = probe(output)
    assert [stream["codec_type"] for stream in report["streams"]] == ["video", "audio"][: 1 + audio]
    assert (report["streams"][0]["width"], report["streams"][0]["height"]) == (640, 360)
    packets, _ = frames(output)
    for index, rows in packets.items():
        of_track = [(timestamp, size) for track, timestamp, size in sent if track == int(index) + 1]
        assert [int(row[3]) for row in rows] == [size for _, size in of_track]
        lasted = (of_track[-1][0] - of_track[0][0]) / 1000
        assert float(rows[-1][1]) - float(rows[0][1]) == pytest.approx(lasted, abs=2)
    video = [timestamp for track, timestamp, _ in sent if track == 1]
    frame = (video[-1] - video[0]) / (len(video) - 1) / 1e6
    ends = [(timestamp + (20_000 if track == 2 else 1e6 * frame)) / 1e6 for track, timestamp, _ in sent]
    assert float(report["format"]["duration"]) == pytest.approx(max(ends), abs=2 * frame)
    assert decode(output) == (0, "")


async def test_who_joins_a_camera_late_gets_a_file_that_begins_at_a_key_frame(serve, open_page, peer_tree, tmp_path):
    output = tmp_path / "out.webm"
    with serve() as server:
        page = await open_page("chromium", server)
        tree = await page.evaluate("() => makeClient('built-in').create({ policy: 'live' })")
        await page.evaluate(CAMERA, True)
        await page.evaluate("() => until(() => sent.filter(([track]) => track === 1).length > 80)")
        with running(peer_tree, "watch", f"{server}/watch/{tree}", "--output", output, "--json") as viewer:
            await in_thread(viewer.event, "media")
            await page.evaluate("() => { const now = sent.length; return until(() => sent.length > now + 100); }")
            await page.evaluate("() => sender.stop()")
            assert await in_thread(viewer.wait) == 0
    video = [packet for packet in probe(output)["packets"] if packet["stream_index"] == 0]
    assert "K" in video[0]["flags"] and float(video[0]["pts_time"]) == 0
    assert decode(output) == (0, "")


@pytest.mark.parametrize("browser", ["chromium", "firefox"])
async def test_what_a_media_recorder_wrote_is_taken_apart_and_put_together_unchanged(
    serve, open_page, peer_tree, tmp_path, browser
):
    recording, copy = tmp_path / "recording.webm", tmp_path / "copy.webm"
    with serve(k=1, k1=1) as server:
        page = await open_page(browser, server)
        text = await page.evaluate(
            """async () => {
              const stream = await navigator.mediaDevices.getUserMedia({ video: true, audio: true });
              const recorder = new MediaRecorder(stream, { mimeType: 'video/webm; codecs="vp8, opus"' });
              const parts = [];
              recorder.ondataavailable = ({ data }) => parts.push(data);
              const stopped = new Promise((resolve) => { recorder.onstop = resolve; });
              recorder.start(200);
              await until(() => parts.length >= 8);
              recorder.stop();
              await stopped;
              const bytes = new Uint8Array(await new Blob(parts).arrayBuffer());
              return [...bytes].map((byte) => String.fromCharCode(byte)).join('');
            }"""
        )
        recording.write_bytes(text.encode("latin-1"))
        with running(peer_tree, "broadcast", recording, "--pace", "fast", "--server", server) as source:
            link = await in_thread(source.line)
            with running(peer_tree, "watch", link, "--output", copy) as viewer:
                assert await in_thread(viewer.wait) == 0
            assert await in_thread(source.wait) == 0
            assert source.error_text == ""
    assert hashes(copy) == hashes(recording)
    assert sorted(stream["codec_name"] for stream in probe(copy)["streams"]) == ["opus", "vp8"]


async def test_files_of_a_page_that_come_broken_off_again_and_more_than_one_are_told_apart(serve, open_page, peer_tree, tmp_path):
    with serve() as server:
        page = await open_page("chromium", server)
        tree = await page.evaluate("() => makeClient('built-in').create()")
        with running(peer_tree, "watch", f"{server}/watch/{tree}", "--output", "out.txt", "--json", cwd=tmp_path) as viewer:
            await in_thread(viewer.event, "connect")
            await page.evaluate(
                """() => {
                  const describe = (name, size) => client.write(JSON.stringify({ content: 1, name, size }), { key: 2 });
                  const file = new TextEncoder().encode('first file');
                  describe('first.txt', 10);
                  describe('first.txt', 10);
                  client.write(file.subarray(0, 4));
                  for (let turn = 0; turn < 3; turn++) {
                    describe('first.txt', 10);
                    client.write(file);
                  }
                  describe('/second.txt', 6);
                  client.write(new TextEncoder().encode('second'));
                  client.end();
                  return client.complete();
                }"""
            )
            assert await in_thread(viewer.event, "content") == {"event": "content", "name": "first.txt", "size": 10}
            assert await in_thread(viewer.wait) == 0
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"out.txt": "first file", "out-2.txt": "second"}
