// The page that starts a broadcast.

import { describeSupport } from '/peer-tree.js';
import { listDevices, onCameraChange, openCamera, openScreen, playFile, stopStream } from './capture.js';
import { make, setText, show } from '../player/dom.js';
import { $ } from './dom.js';
import { bitRate, byteCount, count, duration, plural, UNKNOWN } from '../player/format.js';
import { drawIcons, icon } from '../player/icons.js';
import { setUpCopying, showLink } from './share.js';
import { Transmission } from './transmission.js';

const EMPTY = {
  camera: ['Your camera is asked for once: nothing is sent before you start.', 'Use the camera'],
  screen: ['Choose a screen, a window or a tab.', 'Choose a screen'],
  file: ['Choose a file: a video can be played to everybody, anything can be sent to keep.', 'Choose a file'],
};
const LINES = 200;

const support = describeSupport();
let kind = 'camera';
let stream = null;
let file = null;
let transmission = null;
let startedAt = 0;
let last = null;
let isSendingFile = false;
let wakeLock = null;
let attempt = 0;

const isMedia = () => kind === 'camera' || kind === 'screen' || (kind === 'file' && $('modeSelect').value === 'play');
const lacking = () => (isMedia() ? support.broadcast : support.watch.filter((text) => !text.includes('odec')));

function notice(text, tone = '') {
  show($('notice'), Boolean(text));
  $('notice').className = `notice ${tone}`;
  setText($('notice'), text ?? '');
}

// What to send

function chooseKind(value) {
  kind = value;
  attempt += 1;
  release();
  file = null;
  notice(null);
  render();
  const missing = lacking();
  if (missing.length > 0) notice(missing.join(' '), 'is-error');
  else if (kind === 'camera') pickIfAllowed();
}

function release() {
  stopStream(stream);
  stream = null;
  const preview = $('preview');
  preview.srcObject = null;
  if (preview.src) URL.revokeObjectURL(preview.src);
  preview.removeAttribute('src');
}

/** Opens the camera without a click if the browser has been told before that it may. */
async function pickIfAllowed() {
  const state = await navigator.permissions?.query?.({ name: 'camera' }).then(({ state: found }) => found, () => 'prompt');
  if (state === 'granted' && kind === 'camera' && !stream) pick();
}

async function pick() {
  if (kind === 'file') return $('fileInput').click();
  const own = ++attempt;
  try {
    const found = kind === 'camera'
      ? await openCamera({ camera: $('cameraSelect').value, microphone: $('microphoneSelect').value }) : await openScreen();
    if (own !== attempt) return stopStream(found);
    stopStream(stream);
    stream = found;
    notice(null);
    for (const track of stream.getVideoTracks()) track.addEventListener('ended', () => own === attempt && lostTrack());
    preview(kind === 'camera');
    if (kind === 'camera') listCameras();
  } catch (error) {
    if (own === attempt) notice(error.message, error.code === 'cancelled' ? '' : 'is-error');
  }
  return render();
}

function lostTrack() {
  if (transmission) return;
  release();
  notice(kind === 'camera' ? 'The camera was disconnected. Connect it again, or choose another one.' : 'The sharing was stopped.');
  render();
}

function preview(isMirrored) {
  const video = $('preview');
  video.srcObject = stream;
  video.muted = true;
  video.classList.toggle('is-mirrored', isMirrored);
  video.play().catch(() => {});
}

async function listCameras() {
  const fill = async (select, deviceKind, extra, chosen) => {
    const devices = await listDevices(deviceKind);
    select.replaceChildren(
      ...devices.map(({ deviceId, label }, index) => make('option', { value: deviceId, textContent: label || `${index + 1}` })),
      ...extra,
    );
    if ([...select.options].some(({ value }) => value === chosen)) select.value = chosen;
  };
  const used = (tracks) => tracks?.[0]?.getSettings().deviceId ?? '';
  await fill($('cameraSelect'), 'videoinput', [], used(stream?.getVideoTracks()));
  const none = make('option', { value: 'none', textContent: 'No sound' });
  await fill($('microphoneSelect'), 'audioinput', [none], used(stream?.getAudioTracks()) || 'none');
}

function chooseFile(chosen) {
  if (!chosen) return;
  file = chosen;
  const isPlayable = /^(video|audio)\//.test(file.type) && support.broadcast.length === 0;
  $('modeSelect').options[0].disabled = !isPlayable;
  $('modeSelect').value = isPlayable ? 'play' : 'file';
  notice(null);
  render();
}

// Sending

async function start() {
  const own = attempt;
  $('start').disabled = true;
  notice(null);
  try {
    if (kind === 'file' && isMedia()) {
      stream = await playFile($('preview'), file);
      $('preview').addEventListener('ended', () => own === attempt && stop(), { once: true });
    }
    const mode = isMedia() ? 'media' : kind;
    const title = $('titleInput').value.trim() || (kind === 'file' ? file.name.slice(0, 120) : '');
    const options = { stream, file, title, bitrate: Number($('qualitySelect').value), isEncrypted: $('encrypt').checked };
    startedAt = performance.now();
    last = null;
    transmission = new Transmission(mode, options, {
      started: (treeID, isElsewhere) => {
        if (isElsewhere) notice('The server had forgotten this broadcast. It goes on under a new link: pass it on to your viewers.');
        else notice(null);
        showLink(treeID, transmission.secret);
        render();
      },
      notice: (text) => notice(text),
      tree: renderTree,
      failed: (text) => finish(text, 'is-error'),
      ended: (text) => finish(text),
    });
    keepAwake();
  } catch (error) {
    notice(error.message, 'is-error');
  }
  render();
}

async function stop() {
  const ending = transmission;
  $('stop').disabled = true;
  await ending?.stop();
  $('stop').disabled = false;
  if (ending === transmission) finish('The broadcast has ended.', 'is-good');
}

function finish(text, tone) {
  transmission = null;
  isSendingFile = false;
  wakeLock?.release().catch(() => {});
  wakeLock = null;
  $('share').hidden = true;
  $('sentLines').replaceChildren();
  for (const id of ['viewers', 'children', 'levels', 'rate', 'uplink', 'sent', 'elapsed']) setText($(id), UNKNOWN);
  setText($('uplinkHint'), '');
  if (kind !== 'camera' || stream?.active === false) release();
  notice(text, tone);
  render();
}

async function keepAwake() {
  wakeLock = await navigator.wakeLock?.request('screen').catch(() => null) ?? null;
}

async function sendFile() {
  isSendingFile = true;
  render();
  const ending = transmission;
  const isSent = await ending.sendFile((sent) => {
    setText($('hint'), `${Math.floor(100 * sent / Math.max(1, file.size))} % of ${byteCount(file.size)} sent.`);
  }).catch(() => false);
  isSendingFile = false;
  render();
  if (ending !== transmission) return;
  setText($('hint'), isSent ? 'Sent. Who comes later gets it when you send it again.' : 'The file was not sent to the end. Send it again.');
}

function sendText() {
  const text = $('textInput').value;
  if (!text.trim() || !transmission?.sendText(text)) return;
  const line = make('li', { textContent: text });
  $('sentLines').append(line);
  while ($('sentLines').childElementCount > LINES) $('sentLines').firstElementChild.remove();
  line.scrollIntoView({ block: 'nearest' });
  $('textInput').value = '';
}

// What is shown

function render() {
  const isOn = transmission !== null;
  const isReady = kind === 'text' || (kind === 'file' ? file !== null : stream !== null);
  const hasPicture = stream !== null && (kind !== 'file' || isOn);
  for (const input of document.querySelectorAll('[name=kind]')) input.disabled = isOn;
  show($('preview'), hasPicture);
  show($('empty'), !hasPicture && !(kind === 'text' && isOn));
  show($('composer'), kind === 'text' && isOn);
  show($('liveBadge'), isOn);
  show($('how'), !isOn);
  show($('now'), isOn);
  if (kind === 'text') {
    setText($('emptyText'), 'Start, pass the link on, and write: everybody reads it at once.');
  } else {
    setText($('emptyText'), kind === 'file' && file ? `${file.name}, ${byteCount(file.size)}` : EMPTY[kind][0]);
    setText($('pick'), kind === 'file' && file ? 'Choose another file' : EMPTY[kind][1]);
  }
  $('emptyIcon').replaceChildren(icon(kind));
  show($('pick'), kind !== 'text' && !isOn);
  $('pick').disabled = lacking().length > 0;
  show($('cameraField'), kind === 'camera' && stream !== null);
  show($('microphoneField'), kind === 'camera' && stream !== null);
  show($('qualityField'), isMedia());
  show($('modeField'), kind === 'file' && file !== null);
  show($('titleField'), isMedia());
  for (const field of $('fields').querySelectorAll('select, input')) field.disabled = isOn;
  if (!globalThis.crypto?.subtle) $('encrypt').disabled = true;
  show($('start'), !isOn);
  $('start').disabled = !isReady || lacking().length > 0;
  show($('stop'), isOn);
  const sendsFile = isOn && kind === 'file' && !isMedia();
  show($('sendFile'), sendsFile);
  $('sendFile').disabled = isSendingFile || !transmission?.treeID;
  if (!isOn) setText($('hint'), '');
  else if (sendsFile && !isSendingFile && !$('hint').textContent) setText($('hint'), 'Wait until your viewers are there, then send.');
}

function renderTree({ viewers, depth }) {
  setText($('viewers'), count(viewers));
  setText($('levels'), count(depth));
  document.title = `${plural(viewers, 'viewer')} - peer-tree`;
}

async function measure() {
  const current = await transmission?.statistics();
  if (!current || !transmission) return;
  const now = performance.now();
  setText($('elapsed'), duration((now - startedAt) / 1000));
  setText($('children'), count(current.children));
  setText($('sent'), byteCount(current.bytesSent));
  if (transmission.tree === null) setText($('viewers'), count(0));
  if (last && current.bytesSent >= last.bytesSent) {
    const seconds = (now - last.at) / 1000;
    setText($('rate'), bitRate((current.streamBytes - last.streamBytes) / seconds));
    setText($('uplink'), bitRate((current.bytesSent - last.bytesSent) / seconds));
  }
  last = { ...current, at: now };
  const encoder = transmission.encoder;
  const isLowered = encoder && encoder.targetBitrate > 0 && encoder.bitrate > 0 && encoder.bitrate < encoder.targetBitrate * 0.95;
  setText($('uplinkHint'), isLowered
    ? `Your uplink is full: the quality was lowered from ${bitRate(encoder.targetBitrate / 8)} to ${bitRate(encoder.bitrate / 8)}.` : '');
}

// The page

function setUp() {
  drawIcons();
  setUpCopying();
  for (const input of document.querySelectorAll('[name=kind]')) {
    input.addEventListener('change', () => chooseKind(input.value));
    if (input.checked) kind = input.value;
  }
  $('pick').addEventListener('click', pick);
  $('start').addEventListener('click', start);
  $('stop').addEventListener('click', stop);
  $('sendFile').addEventListener('click', sendFile);
  $('cameraSelect').addEventListener('change', pick);
  $('microphoneSelect').addEventListener('change', pick);
  $('modeSelect').addEventListener('change', render);
  $('fileInput').addEventListener('change', () => chooseFile($('fileInput').files[0]));
  $('stage').addEventListener('dragover', (event) => kind === 'file' && !transmission && event.preventDefault());
  $('stage').addEventListener('drop', (event) => {
    if (kind !== 'file' || transmission) return;
    event.preventDefault();
    chooseFile(event.dataTransfer.files[0]);
  });
  $('textForm').addEventListener('submit', (event) => {
    event.preventDefault();
    sendText();
  });
  $('textInput').addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    sendText();
  });
  onCameraChange(() => {
    if (transmission || kind !== 'camera') return;
    if (stream) listCameras();
    else if (!$('notice').hidden) pick();
  });
  document.addEventListener('visibilitychange', () => transmission && !document.hidden && keepAwake());
  addEventListener('beforeunload', (event) => transmission && event.preventDefault());
  setInterval(measure, 1000);
  chooseKind(kind);
}

setUp();
