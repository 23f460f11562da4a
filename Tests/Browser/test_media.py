"""Live pictures and sound through a tree of browsers."""

import statistics

import pytest

# A picture whose top row says its number in black and white, and when which number was drawn.
SOURCE = """
async (options) => {
  const canvas = document.createElement('canvas');
  canvas.width = 640;
  canvas.height = 360;
  const context = canvas.getContext('2d');
  window.drawn = [];
  const stream = canvas.captureStream(30);
  const draw = () => {
    const number = drawn.length;
    context.fillStyle = `hsl(${number * 3 % 360} 60% 50%)`;
    context.fillRect(0, 40, 640, 320);
    context.fillStyle = '#fff';
    context.fillRect(number * 7 % 600, 150, 40, 40);
    for (let bit = 0; bit < 16; bit++) {
      context.fillStyle = number >> bit & 1 ? '#fff' : '#000';
      context.fillRect(bit * 40, 0, 40, 40);
    }
    drawn.push(performance.timeOrigin + performance.now());
  };
  window.timer = setInterval(draw, 1000 / 30);
  if (options.tone) {
    const audio = new AudioContext();
    await audio.resume();
    const oscillator = new OscillatorNode(audio, { frequency: options.tone });
    const destination = audio.createMediaStreamDestination();
    oscillator.connect(destination);
    oscillator.start();
    stream.addTrack(destination.stream.getAudioTracks()[0]);
  }
  const client = makeClient('built-in');
  window.sender = client.broadcast(stream, { video: { bitrate: 800_000, keyFrameInterval: 1 }, title: 'test' });
  return sender.started;
}
"""

VIEWER = """
async (tree) => {
  const client = makeClient('built-in');
  client.on('warning', (text) => errors.push(text));
  window.shown = [];
  const opened = performance.now();
  const canvas = new OffscreenCanvas(640, 40);
  const context = canvas.getContext('2d', { willReadFrequently: true });
  const video = document.createElement('video');
  video.muted = true;
  document.body.append(video);
  client.on('stream', (stream) => {
    window.received = stream;
    video.srcObject = stream;
    video.play();
    const read = () => {
      const at = performance.timeOrigin + performance.now();
      window.firstPicture ??= performance.now() - opened;
      context.drawImage(video, 0, 0, 640, 40, 0, 0, 640, 40);
      const { data } = context.getImageData(0, 0, 640, 40);
      let number = 0;
      for (let bit = 0; bit < 16; bit++) if (data[(20 * 640 + bit * 40 + 20) * 4] > 127) number |= 1 << bit;
      shown.push([number, at]);
      video.requestVideoFrameCallback(read);
    };
    video.requestVideoFrameCallback(read);
  });
  await client.connect(tree);
  await until(() => has('connect'));
  window.connectedAt = performance.now() - opened;
}
"""


def latencies(drawn, shown):
    """Milliseconds from drawing to showing, of the pictures behind the first second."""
    return [at - drawn[number] for number, at in shown[30:] if number < len(drawn)]


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


@pytest.mark.parametrize("chain", [["chromium", "chromium", "firefox"], ["firefox", "chromium", "firefox"]])
async def test_pictures_travel_through_a_chain_of_browsers(serve, open_page, chain):
    with serve(k=1, k1=1) as server:
        source = await open_page(chain[0], server)
        tree = await source.evaluate(SOURCE, {})
        viewers = []
        for name in chain[1:]:
            page = await open_page(name, server)
            await page.evaluate(VIEWER, tree)
            await page.evaluate("() => until(() => window.firstPicture)")
            viewers.append(page)
        for page in viewers:
            await page.evaluate("() => until(() => shown.length > 120)")
        drawn = await source.evaluate("drawn")
        for depth, page in enumerate(viewers, 1):
            shown = await page.evaluate("shown")
            media = await page.evaluate("({ ...client.media.statistics, delay: client.media.delay })")
            values = latencies(drawn, shown)
            first = await page.evaluate("[firstPicture, firstPicture - connectedAt]")
            print(
                f"{chain[depth]} at depth {depth}: glass to glass p50 {statistics.median(values):.0f} ms, "
                f"p95 {percentile(values, 0.95):.0f} ms; first picture after {first[0]:.0f} ms, "
                f"{first[1]:.0f} ms behind the place in the tree; {media}"
            )
            numbers = [number for number, _ in shown]
            assert all(later >= earlier for earlier, later in zip(numbers, numbers[1:])), "pictures out of order"
            assert len(set(numbers)) > 60, "the same picture all the time"
            assert await page.evaluate("errors") == []
        assert (await source.evaluate("sender.statistics"))["framesEncoded"] > 100


async def test_a_tone_goes_in_and_the_same_tone_comes_out(serve, open_page):
    with serve() as server:
        source, viewer = await open_page("chromium", server), await open_page("chromium", server)
        tree = await source.evaluate(SOURCE, {"tone": 1000})
        await viewer.evaluate(VIEWER, tree)
        loudest = await viewer.evaluate(
            """async () => {
              await until(() => window.received?.getAudioTracks().length > 0);
              const context = new AudioContext();
              const analyser = new AnalyserNode(context, { fftSize: 8192 });
              context.createMediaStreamSource(received).connect(analyser);
              const bins = new Float32Array(analyser.frequencyBinCount);
              let loudest = 0;
              await until(() => {
                analyser.getFloatFrequencyData(bins);
                const level = Math.max(...bins);
                loudest = bins.indexOf(level) * context.sampleRate / analyser.fftSize;
                return level > -40;
              });
              return loudest;
            }"""
        )
        assert loudest == pytest.approx(1000, abs=15)


async def test_a_live_stream_ends_when_the_source_stops(serve, open_page):
    with serve() as server:
        source, viewer = await open_page("chromium", server), await open_page("firefox", server)
        tree = await source.evaluate(SOURCE, {})
        await viewer.evaluate(VIEWER, tree)
        await viewer.evaluate("() => until(() => window.firstPicture)")
        await source.evaluate("() => sender.stop()")
        await viewer.evaluate("() => until(() => has('end'))")
        assert await source.evaluate("errors") == [] == await viewer.evaluate("errors")
