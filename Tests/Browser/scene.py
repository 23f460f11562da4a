"""What happens on the pages of the browser tests: a blank page, a source of numbered pictures, a viewer that reads them."""

import asyncio
import time

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    "--disable-features=WebRtcHideLocalIpsWithMdns,LocalNetworkAccessChecks,LocalNetworkAccessChecksWebSockets",
    "--allow-loopback-in-peer-connection",
]

PAGE = """<!doctype html><title>blank</title>
<script src="/socket.io.js"></script>
<script src="/peer-tree-client.js"></script>
<script>
const settled = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const hex = (bytes) => [...new Uint8Array(bytes)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
window.events = [];
window.errors = [];
addEventListener('error', (event) => errors.push(event.message));
addEventListener('unhandledrejection', (event) => errors.push(String(event.reason)));
// Its socket is that of socket.io-client, the built-in one, or the one given.
function makeClient(kind, options = {}) {
  const sockets = { 'socket.io-client': () => io(location.origin, { transports: ['websocket'] }), 'built-in': () => location.origin };
  const socket = sockets[kind]?.() ?? kind;
  const client = new PeerTreeClient(socket, options);
  window.client = client;
  window.parts = [];
  window.total = 0;
  client.on('error', (error) => errors.push(error.message));
  for (const name of ['discover', 'connect', 'disconnect', 'end', 'complete', 'gap', 'drain']) {
    client.on(name, (...values) => events.push([name, ...values]));
  }
  return client;
}
function collect(client) {
  client.on('data', (data) => {
    const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : data;
    parts.push(bytes);
    total += bytes.length;
  });
}
async function digest() {
  return { bytes: total, sha256: hex(await crypto.subtle.digest('SHA-256', await new Blob(parts).arrayBuffer())) };
}
async function until(condition, milliseconds = 20000) {
  const end = performance.now() + milliseconds;
  while (!await condition()) {
    if (performance.now() > end) throw new Error(`in vain: ${condition}; events ${JSON.stringify(events)}, errors ${errors}`);
    await settled(20);
  }
}
window.has = (name) => events.some((event) => event[0] === name);
</script>"""

# Numbered pictures: the top row says the number in black and white, and the page remembers when it drew which.
SOURCE = """
async ({ width = 640, height = 360, framerate = 30, tone = 0, video = {}, ...options } = {}) => {
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext('2d');
  const cell = width / 16;
  window.drawn = [];
  const stream = canvas.captureStream();
  const draw = () => {
    const number = drawn.length;
    context.fillStyle = `hsl(${number * 3 % 360} 60% 50%)`;
    context.fillRect(0, cell, width, height - cell);
    context.fillStyle = '#fff';
    context.fillRect(number * 7 % (width - cell), height / 2, cell, cell);
    for (let bit = 0; bit < 16; bit++) {
      context.fillStyle = number >> bit & 1 ? '#fff' : '#000';
      context.fillRect(bit * cell, 0, cell, cell);
    }
    drawn.push(performance.timeOrigin + performance.now());
  };
  draw();
  window.timer = setInterval(draw, 1000 / framerate);
  if (tone) {
    const audio = new AudioContext();
    await audio.resume();
    const oscillator = new OscillatorNode(audio, { frequency: tone });
    const destination = audio.createMediaStreamDestination();
    oscillator.connect(destination);
    oscillator.start();
    stream.addTrack(destination.stream.getAudioTracks()[0]);
  }
  const client = makeClient('built-in', options);
  const encoding = { bitrate: 800_000, keyFrameInterval: 1, framerate, ...video };
  window.sender = client.broadcast(stream, { video: encoding, title: 'test' });
  return sender.started;
}
"""

# Shows the stream and notes which number was on show when. Times are those of the clock that the source draws by.
VIEWER = """
async ([tree, { width = 640, ...options } = {}]) => {
  const clock = () => performance.timeOrigin + performance.now();
  const cell = width / 16;
  const client = makeClient('built-in', options);
  client.on('warning', (text) => errors.push(text));
  window.shown = [];
  window.began = clock();
  client.once('upstreamPeer', () => { window.linkedAt = clock(); });
  const canvas = new OffscreenCanvas(width, cell);
  const context = canvas.getContext('2d', { willReadFrequently: true });
  const video = document.createElement('video');
  video.muted = true;
  document.body.append(video);
  client.on('stream', (stream) => {
    window.received = stream;
    video.srcObject = stream;
    video.play();
    const read = () => {
      const at = clock();
      video.requestVideoFrameCallback(read);
      context.drawImage(video, 0, 0, width, cell, 0, 0, width, cell);
      const { data } = context.getImageData(0, 0, width, cell);
      let number = 0;
      for (let bit = 0; bit < 16; bit++) {
        if (data[(Math.floor(cell / 2) * width + Math.floor((bit + 0.5) * cell)) * 4] > 127) number |= 1 << bit;
      }
      window.firstPictureAt ??= at;
      shown.push([number, at]);
    };
    video.requestVideoFrameCallback(read);
  });
  await client.connect(tree);
  await until(() => has('connect'));
}
"""


async def show(page, tree, **options):
    """Makes the page a viewer; returns once it shows a picture."""
    await page.evaluate(VIEWER, [tree, options])
    await page.evaluate("() => until(() => window.firstPictureAt)")


async def first_picture(page):
    """Milliseconds to the first picture: from the beginning of the page, from making the client, from the open channel."""
    return await page.evaluate("[performance.timeOrigin, began, linkedAt].map((begin) => firstPictureAt - begin)")


async def crash(page):
    """Has a tab of Chromium crash; returns when it was told to, in milliseconds since 1970."""
    session = await page.context.new_cdp_session(page)
    gone = asyncio.get_running_loop().create_future()
    page.on("crash", lambda _: gone.done() or gone.set_result(None))
    begin = time.time() * 1000
    # It has nobody left to answer.
    command = asyncio.ensure_future(session.send("Page.crash"))
    await asyncio.wait_for(gone, 20)
    command.cancel()
    return begin


def latencies(drawn, shown, skip=30):
    """Milliseconds from drawing to showing, of the pictures behind the first second."""
    return [at - drawn[number] for number, at in shown[skip:] if number < len(drawn)]


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def summary(values):
    return f"p50 {percentile(values, 0.5):.0f} ms, p95 {percentile(values, 0.95):.0f} ms"


def longest_pause(shown, begin):
    """Milliseconds of the longest time without a new picture that ended after BEGIN."""
    times = [at for _, at in shown]
    return max(later - earlier for earlier, later in zip(times, times[1:]) if later > begin)
