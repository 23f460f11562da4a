"""The pages of the browser benchmark: a moving picture that says its number, relayed by ours or by `addTrack`."""

# A textured scene that depends on its number alone, so that a viewer can draw what it should have seen.
SCENE = """
const WIDTH = 640, HEIGHT = 360, CELL = 40;
const texture = new OffscreenCanvas(WIDTH + 120, HEIGHT + 60);
{
  let state = 1;
  const random = () => (state = (state * 1103515245 + 12345) & 0x7fffffff) / 0x7fffffff;
  const context = texture.getContext('2d');
  for (let i = 0; i < 900; i++) {
    context.fillStyle = `hsl(${random() * 360} 60% ${20 + random() * 60}%)`;
    context.fillRect(random() * texture.width, random() * texture.height, 10 + random() * 60, 10 + random() * 40);
  }
}
function drawScene(context, number) {
  context.drawImage(texture, -(number * 3 % 120), -(number % 60));
  let state = number + 1;
  const random = () => (state = (state * 1103515245 + 12345) & 0x7fffffff) / 0x7fffffff;
  random();
  for (let i = 0; i < 24; i++) {
    context.fillStyle = `hsl(${random() * 360} 70% 50%)`;
    context.fillRect(random() * WIDTH, CELL + random() * HEIGHT, 24, 24);
  }
  for (let bit = 0; bit < 16; bit++) {
    context.fillStyle = number >> bit & 1 ? '#fff' : '#000';
    context.fillRect(bit * CELL, 0, CELL, CELL);
  }
}
function clock() { return performance.timeOrigin + performance.now(); }
function capture() {
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [WIDTH, HEIGHT];
  const context = canvas.getContext('2d');
  window.drawn = [];
  setInterval(() => {
    drawScene(context, drawn.length);
    drawn.push(clock());
  }, 1000 / 30);
  return canvas.captureStream();
}
function display(stream) {
  window.shown = [];
  window.qualities = [];
  const video = document.createElement('video');
  video.muted = true;
  video.srcObject = stream;
  document.body.append(video);
  video.play();
  const seen = new OffscreenCanvas(WIDTH, HEIGHT).getContext('2d', { willReadFrequently: true });
  const wanted = new OffscreenCanvas(WIDTH, HEIGHT).getContext('2d', { willReadFrequently: true });
  const read = () => {
    const at = clock();
    video.requestVideoFrameCallback(read);
    seen.drawImage(video, 0, 0, WIDTH, HEIGHT);
    const row = seen.getImageData(0, 0, WIDTH, CELL).data;
    let number = 0;
    for (let bit = 0; bit < 16; bit++) if (row[(20 * WIDTH + bit * CELL + 20) * 4] > 127) number |= 1 << bit;
    shown.push([number, at]);
    if (shown.length % 30 === 0) {
      drawScene(wanted, number);
      qualities.push(quality(seen.getImageData(0, 0, WIDTH, HEIGHT).data, wanted.getImageData(0, 0, WIDTH, HEIGHT).data));
    }
  };
  video.requestVideoFrameCallback(read);
}
/* Peak signal-to-noise ratio of the luma, in decibels. */
function quality(one, other) {
  let sum = 0;
  for (let at = 0; at < one.length; at += 4) {
    const difference = 0.299 * (one[at] - other[at]) + 0.587 * (one[at + 1] - other[at + 1]) + 0.114 * (one[at + 2] - other[at + 2]);
    sum += difference * difference;
  }
  return 10 * Math.log10(255 * 255 / Math.max(1e-6, sum / (one.length / 4)));
}
"""

# Relaying by addTrack: one connection in, one for each child. Descriptions carry their candidates.
ADD_TRACK = """
const BITRATE = 800_000;
const children = [];
async function settledDescription(connection) {
  if (connection.iceGatheringState !== 'complete') {
    await new Promise((resolve) => connection.addEventListener('icegatheringstatechange', () => {
      if (connection.iceGatheringState === 'complete') resolve();
    }));
  }
  return connection.localDescription.toJSON();
}
async function offerTo() {
  const connection = new RTCPeerConnection();
  children.push(connection);
  const sender = connection.addTrack(window.stream.getVideoTracks()[0], window.stream);
  const [transceiver] = connection.getTransceivers();
  const { codecs } = RTCRtpReceiver.getCapabilities('video');
  transceiver.setCodecPreferences(codecs.filter(({ mimeType }) => mimeType === 'video/VP8'));
  await connection.setLocalDescription(await connection.createOffer());
  const parameters = sender.getParameters();
  parameters.encodings[0].maxBitrate = BITRATE;
  parameters.degradationPreference = 'maintain-resolution';
  await sender.setParameters(parameters);
  return [children.length - 1, await settledDescription(connection)];
}
async function answerTo(offer) {
  const connection = new RTCPeerConnection();
  window.parent_ = connection;
  const arrived = new Promise((resolve) => { connection.ontrack = ({ streams }) => resolve(streams[0]); });
  await connection.setRemoteDescription(offer);
  await connection.setLocalDescription(await connection.createAnswer());
  const answer = await settledDescription(connection);
  window.stream = await arrived;
  return answer;
}
"""
