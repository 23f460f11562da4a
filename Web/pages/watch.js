// The page that watches a broadcast.

import { describeSupport, KEYS } from '/peer-tree.js';
import { $, make, setText, show } from './dom.js';
import { bitRate, codecName, count, milliseconds, plural } from './format.js';
import { drawIcons, icon } from './icons.js';
import { ReceivedContent } from './inbox.js';
import { Reception } from './reception.js';

const TITLES = {
  connecting: 'Connecting',
  connected: 'Connected',
  unknown: 'No broadcast here',
  lost: 'Reconnecting',
  ended: 'The broadcast has ended',
  failed: 'This does not work here',
};
/** Between source and viewer, as many levels are drawn one by one. */
const DRAWN_HOPS = 6;

const support = describeSupport();
const video = $('video');
let reception = null;
let content = 'none';
let isPlaying = false;
let isServerLost = false;
let mediaWarning = null;
let last = null;
let drawnPlace = '';

const received = new ReceivedContent({
  reader: $('reader'), lines: $('lines'), downloads: $('downloads'), files: $('files'),
  onContent(kind) {
    if (content === kind) return;
    content = kind;
    show($('empty'), false);
    setText($('detail'), kind === 'text' ? 'The source writes; you read along.' : 'Files are kept on this page until you save them.');
  },
});

// States

function setState(name, text) {
  const isRunning = name === 'connected';
  if (isRunning && content === 'none') {
    setText($('stateTitle'), 'Connected');
    setText($('stateText'), 'Waiting for the broadcast to begin.');
  } else if (!isRunning) {
    setText($('stateTitle'), name === 'unknown' && reception?.hasReceived ? 'The broadcast is gone' : TITLES[name]);
    setText($('stateText'), text);
  }
  const isOver = name === 'ended' && content !== 'none' && content !== 'media';
  if (!isRunning) stopPicture();
  show($('empty'), isRunning ? content === 'none' : content === 'none' || content === 'media');
  $('pulse').classList.toggle('is-still', name === 'ended' || name === 'failed' || name === 'unknown');
  show($('again'), name === 'unknown' || name === 'lost');
  if (name === 'ended') received.end();
  if (isOver) notice(`${TITLES.ended}.`, 'is-good');
  else if (!isRunning && (content === 'text' || content === 'file')) notice(`${TITLES[name]}. ${text ?? ''}`);
  else renderNotice();
}

function notice(text, tone = '') {
  show($('notice'), Boolean(text));
  $('notice').className = `notice ${tone}`;
  setText($('notice'), text ?? '');
}

function renderNotice() {
  if (isServerLost) notice('The server is gone. What you see comes from other viewers and goes on; this page waits for the server.');
  else if (mediaWarning) notice(mediaWarning, 'is-error');
  else notice(null);
}

function stopPicture() {
  isPlaying = false;
  video.srcObject = null;
  show(video, false);
  show($('controls'), false);
  show($('unmute'), false);
  show($('badge'), false);
  if (content === 'media') content = 'none';
}

// Receiving

function useClient(client) {
  last = null;
  mediaWarning = null;
  received.restart();
  client.on('message', (message) => {
    if (reception.client !== client) return;
    received.take(message);
    if (message.key === KEYS.catalog && support.watch.length > 0) cannotShow();
  });
  client.on('gap', ({ isSkip }) => !isSkip && received.gap());
  client.on('catalog', (catalog) => {
    mediaWarning = null;
    renderNotice();
    show($('title'), catalog.title !== '');
    setText($('title'), catalog.title);
    document.title = `${catalog.title || 'Watch'} - peer-tree`;
  });
  client.on('warning', (text) => warn(text));
  // Without a listener for the stream, media is passed on but not decoded.
  if (support.watch.length === 0) client.on('stream', (stream) => reception.client === client && play(client, stream));
}

function cannotShow() {
  setText($('stateTitle'), TITLES.failed);
  setText($('stateText'), `${support.watch.join(' ')} You pass the broadcast on all the same.`);
  $('pulse').classList.add('is-still');
}

/** The client's own sentences; a viewer is not helped by more than one of them. */
function warn(text) {
  mediaWarning = text.slice(0, 300);
  renderNotice();
}

function play(client, stream) {
  content = 'media';
  isPlaying = true;
  video.srcObject = stream;
  video.play().catch(() => {});
  show(video, stream.getVideoTracks().length > 0);
  show($('empty'), false);
  show($('controls'), true);
  renderSound(stream);
}

function hasSound() {
  return (video.srcObject?.getAudioTracks().length ?? 0) > 0;
}

function renderSound() {
  show($('unmute'), video.muted && hasSound());
  show($('mute'), hasSound());
  $('mute').replaceChildren(icon(video.muted ? 'muted' : 'sound'));
  $('mute').setAttribute('aria-pressed', String(video.muted));
  $('mute').setAttribute('aria-label', video.muted ? 'Turn the sound on' : 'Turn the sound off');
}

function setMuted(isMuted) {
  if (!isPlaying) return;
  video.muted = isMuted;
  if (!isMuted) reception.client?.media?.resume();
  video.play().catch(() => {});
  renderSound();
}

function toggleFull() {
  if (document.fullscreenElement) document.exitFullscreen();
  else if ($('stage').requestFullscreen) $('stage').requestFullscreen().catch(() => {});
  else video.webkitEnterFullscreen?.();
}

// Figures

async function measure() {
  const client = reception.client;
  if (!client || client.destroyed) return setPlace(null);
  const current = await client.statistics();
  if (client !== reception.client) return undefined;
  const media = client.media?.statistics;
  const now = performance.now();
  if (last && current.bytesReceived >= last.bytesReceived) {
    const seconds = (now - last.at) / 1000;
    setText($('received'), bitRate((current.bytesReceived - last.bytesReceived) / seconds));
    setText($('passed'), current.children > 0 ? bitRate((current.bytesSent - last.bytesSent) / seconds) : 'nothing yet');
  }
  last = { ...current, at: now };
  setText($('children'), count(current.children));
  setText($('roundTrip'), milliseconds(current.roundTrip >= 0 ? current.roundTrip : null));
  const isLive = isPlaying && client.media?.catalog?.live;
  const latency = isLive ? media.latency : null;
  setText($('latency'), milliseconds(latency));
  setText($('dropped'), isPlaying ? count(media.framesDropped) : milliseconds(null));
  for (const figure of document.querySelectorAll('.is-media')) show(figure, content !== 'text' && content !== 'file');
  show($('badge'), isPlaying);
  $('badge').classList.toggle('is-live', Boolean(isLive));
  if (isPlaying) {
    setText($('badge'), isLive && latency !== null && latency >= 0 ? `Live, ${milliseconds(latency)} behind` : isLive ? 'Live' : 'Recording');
    const codec = client.media.catalog.tracks.find(({ kind }) => kind === 'video')?.configuration.codec;
    setText($('detail'), media.width ? `${media.width} × ${media.height}${codec ? `, ${codecName(codec)}` : ''}` : '');
  }
  return setPlace(current);
}

/** Draws the way from the source to this viewer, and whom it feeds. */
function setPlace(current) {
  const parent = current?.neighbours?.find(({ role }) => role === 'parent');
  const depth = current?.depth ?? null;
  const key = parent ? `${depth} ${parent.id} ${current.children}` : '';
  if (key === drawnPlace) return;
  drawnPlace = key;
  if (!parent) {
    $('place').replaceChildren(make('p', { className: 'hint', textContent: 'Not in the tree at present.' }));
    return;
  }
  const chain = make('div', { className: 'chain' });
  chain.setAttribute('aria-hidden', 'true');
  const add = (text, name = '') => {
    if (chain.childElementCount > 0) chain.append(make('span', { className: 'step' }));
    chain.append(make('span', { className: `node ${name}`, textContent: text }));
  };
  add('Source');
  const hops = Math.max(0, (depth ?? 1) - 1);
  if (hops > DRAWN_HOPS) add(plural(hops, 'viewer'), 'is-hop');
  else for (let hop = 1; hop <= hops; hop++) add('Viewer', 'is-hop');
  add('You', 'is-you');
  if (current.children > 0) add(plural(current.children, 'viewer'), 'is-hop');
  const level = depth === null ? '' : `Level ${depth}. `;
  const above = depth === 1 ? 'The source feeds you' : `You are fed by another viewer, ${parent.id.slice(0, 6)}`;
  const below = current.children > 0 ? `, and you feed ${plural(current.children, 'viewer')}.` : '; nobody is below you yet.';
  $('place').replaceChildren(chain, make('p', { className: 'hint', textContent: `${level}${above}${below}` }));
}

// The page

function setUp() {
  drawIcons();
  const treeID = decodeURIComponent(location.pathname.split('/')[2] ?? '');
  $('unmute').addEventListener('click', () => {
    setMuted(false);
    $('mute').focus();
  });
  $('mute').addEventListener('click', () => setMuted(!video.muted));
  $('full').addEventListener('click', toggleFull);
  $('again').addEventListener('click', () => reception.retryNow());
  video.addEventListener('dblclick', toggleFull);
  addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.('input, textarea')) return;
    if (event.key === 'm') setMuted(!video.muted);
    if (event.key === 'f') toggleFull();
  });
  renderSound();
  reception = new Reception(treeID, {
    state: setState,
    client: useClient,
    serverLost(isLost) {
      isServerLost = isLost;
      renderNotice();
    },
  });
  setInterval(measure, 1000);
}

/** A broken escape in the address must not stop the page. */
function decodeURIComponent(text) {
  try {
    return globalThis.decodeURIComponent(text);
  } catch {
    return text;
  }
}

setUp();
