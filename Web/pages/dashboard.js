// The page that draws the live tree.

import { drawDepths, History } from './charts.js';
import { Backoff } from '../player/backoff.js';
import { make, setText, show } from '../player/dom.js';
import { $, fragmentValue, prefersReducedMotion } from './dom.js';
import { readEvents } from './event-stream.js';
import { bitRate, count, milliseconds, plural } from '../player/format.js';
import { drawIcons } from '../player/icons.js';
import { FLAGS, summarize, TreeModel } from './tree-model.js';
import { TreeView } from './tree-view.js';

const LIST_INTERVAL = 3000;
const FIGURES_INTERVAL = 500;

const backoff = new Backoff(1, 10);
let secret = fragmentValue('secret') ?? sessionStorage.getItem('dashboard-secret');
let chosen = new URLSearchParams(location.search).get('tree');
let isPinned = chosen !== null;
let stream = null;
let history = new History();
let areFiguresDue = false;

export const model = new TreeModel();
export const view = new TreeView($('tree'), $('overlay'), prefersReducedMotion());

// Feeding

/** Takes one event of the server's stream. */
export function take(name, text) {
  const data = JSON.parse(text);
  if (name === 'tree') {
    model.reset(data);
    history = new History();
    view.selected = null;
    view.hovered = null;
    fillStripes();
  } else if (name === 'changes') {
    const now = performance.now();
    const change = model.apply(data, now);
    history.take(model.activity, now);
    if (change.isReshaped) view.update(model, change, now);
    else view.redraw();
    show($('waiting'), model.viewers === 0);
    setText($('waiting'), 'Nobody watches yet.');
    if (!areFiguresDue) {
      areFiguresDue = true;
      setTimeout(renderFigures, FIGURES_INTERVAL);
    }
  } else if (name === 'over') {
    throw Object.assign(new Error('over'), { code: data.code });
  }
}

const headers = () => (secret ? { Authorization: `Bearer ${secret}` } : {});

async function follow(tree) {
  stream?.abort();
  const control = new AbortController();
  stream = control;
  chosen = tree;
  let code = 'ended';
  try {
    const response = await fetch(`/dashboard/events?tree=${encodeURIComponent(tree)}`, { headers: headers(), signal: control.signal });
    if (!response.ok) code = (await response.json().catch(() => ({}))).code ?? 'failed';
    else await readEvents(response, take);
  } catch (error) {
    code = error.code ?? 'lost';
  }
  control.abort();
  if (stream !== control) return;
  stream = null;
  if (code === 'unknown-tree' || code === 'ended') {
    if (isPinned) notice('This broadcast is over, or there is none of this name. If it comes back, it shows here.');
    else chosen = null;
  } else if (code === 'too-many-watchers') {
    notice('Too many dashboards are open on this server: close one. This page tries again by itself.');
  }
  backoff.wait(list);
}

let listTimer = null;

/** Asks which trees there are, and follows the chosen one, or else the largest. */
async function list() {
  clearTimeout(listTimer);
  let answer;
  try {
    const response = await fetch('/dashboard/trees', { headers: headers() });
    answer = await response.json();
    if (response.status === 401) return askForSecret();
    if (!response.ok) return off(answer);
  } catch {
    notice('The server cannot be reached. This page tries again by itself.', 'is-error');
    return backoff.wait(list);
  }
  show($('secretForm'), false);
  if ($('board').hidden) {
    show($('board'), true);
    resize();
  }
  listTimer = setTimeout(list, LIST_INTERVAL);
  setText($('total'), plural(answer.peers, 'peer'));
  if (!isPinned && !answer.trees.some(({ id }) => id === chosen)) chosen = answer.trees[0]?.id ?? null;
  fillTrees(answer);
  if (!chosen) {
    show($('waiting'), true);
    setText($('waiting'), 'No broadcast at present. The next one shows here by itself.');
  } else if (!stream && !backoff.isWaiting) {
    if (answer.trees.some(({ id }) => id === chosen)) notice(null);
    follow(chosen);
  } else if (stream) {
    backoff.reset();
    notice(null);
  }
  return undefined;
}

function askForSecret() {
  const isWrong = secret !== null;
  secret = null;
  sessionStorage.removeItem('dashboard-secret');
  show($('board'), false);
  show($('secretForm'), true);
  setText($('secretText'), isWrong ? 'That was not the secret. Try again.'
    : 'This server shows its trees to whoever knows the dashboard\u2019s secret.');
  $('secretInput').focus();
}

function off() {
  show($('board'), false);
  notice('The dashboard is switched off on this server, since it shows who watches what. Its operator opens it with --dashboard everybody or with --dashboard-secret.');
}

function notice(text, tone = '') {
  show($('notice'), Boolean(text));
  $('notice').className = `notice ${tone}`;
  setText($('notice'), text ?? '');
}

// Choosing

function fillTrees({ trees, count: total, missing }) {
  const select = $('treeSelect');
  if (document.activeElement === select) return;
  const entries = trees.map(({ id, viewers }) => make('option', { value: id, textContent: `${id.slice(0, 8)}, ${plural(viewers, 'viewer')}` }));
  if (total > trees.length) entries.push(make('option', { disabled: true, textContent: `${count(total - trees.length)} smaller ones` }));
  for (const name of missing) entries.push(make('option', { disabled: true, textContent: `those of ${name}, which cannot be reached` }));
  select.replaceChildren(...entries);
  select.disabled = trees.length === 0;
  if (chosen) select.value = chosen;
}

function fillStripes() {
  show($('stripeField'), model.stripes > 1);
  $('stripeSelect').replaceChildren(
    ...Array.from({ length: model.stripes }, (_, index) => make('option', { value: index, textContent: index + 1 })),
  );
  $('stripeSelect').value = model.stripe;
}

function colour() {
  const legend = view.colourBy($('colourSelect').value);
  $('legend').replaceChildren(...legend.map(([value, text]) => {
    const dot = make('i');
    dot.style.background = value;
    return make('li', {}, dot, text);
  }));
}

// Figures

function renderFigures() {
  areFiguresDue = false;
  const { depths, median, relayed, unplaced } = summarize(model, view.order);
  setText($('viewers'), count(model.viewers));
  setText($('levels'), count(Math.max(0, depths.length - 1)));
  setText($('lag'), milliseconds(median));
  setText($('joins'), count(model.activity.joins));
  setText($('repairs'), count(model.activity.repairs));
  setText($('forgeries'), count(model.activity.forgeries));
  show($('forgeriesFigure'), model.activity.forgeries > 0);
  setText($('relayed'), bitRate(relayed));
  drawDepths($('depths'), depths);
  history.draw($('activity'));
  $('canvas').setAttribute('aria-label', `The tree: ${plural(model.viewers, 'viewer')} on ${plural(Math.max(0, depths.length - 1), 'level')}`
    + `${unplaced > 0 && model.isComplete ? `, ${count(unplaced)} waiting for a place` : ''}. Arrow keys go from peer to peer.`);
  renderPeer();
}

function renderPeer() {
  const peer = view.hovered ?? view.selected;
  show($('peer'), peer !== null);
  if (!peer) {
    setText($('peerText'), 'Point at a peer, or choose one with the arrow keys.');
    return;
  }
  const isSource = peer.depth === 0;
  setText($('peerText'), isSource ? `Source ${peer.label}` : `Viewer ${peer.label}, level ${peer.depth}`);
  const state = !peer.has(FLAGS.connected) ? 'without the server' : isSource || peer.has(FLAGS.attached) ? 'receiving' : 'connecting';
  const rows = [
    ['State', isSource && peer.has(FLAGS.connected) ? 'sending' : state],
    ['Program', peer.program],
    ['Children', count(peer.children.length)],
    ['Below it', plural(peer.subtree - 1, 'viewer')],
    ['Parent', peer.parent ? (peer.parent.depth === 0 ? 'the source' : peer.parent.label) : 'none'],
    ['Receives', bitRate(peer.rate)],
    ['Lag', milliseconds(peer.lag)],
    ['Round trip', milliseconds(peer.roundTrip)],
  ];
  const shown = isSource ? rows.filter(([name]) => !['Parent', 'Receives', 'Lag', 'Round trip'].includes(name)) : rows;
  $('peer').replaceChildren(...shown.flatMap(([name, text]) => [make('dt', { textContent: name }), make('dd', { textContent: text })]));
}

// Pointer and keys

function setUpPointer() {
  const area = $('canvas');
  const pointers = new Map();
  const place = (event) => {
    const { left, top } = area.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top];
  };
  let travelled = 0;
  area.addEventListener('pointerdown', (event) => {
    area.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, place(event));
    travelled = 0;
  });
  area.addEventListener('pointermove', (event) => {
    const [x, y] = place(event);
    const before = pointers.get(event.pointerId);
    if (!before) {
      view.point(view.peerAt(x, y));
      return renderPeer();
    }
    if (pointers.size === 2) pinch(event.pointerId, [x, y]);
    else view.pan(x - before[0], y - before[1]);
    travelled += Math.hypot(x - before[0], y - before[1]);
    pointers.set(event.pointerId, [x, y]);
    return undefined;
  });
  const pinch = (id, [x, y]) => {
    const [other] = [...pointers].find(([key]) => key !== id).slice(1);
    const [oldX, oldY] = pointers.get(id);
    const was = Math.hypot(oldX - other[0], oldY - other[1]);
    const is = Math.hypot(x - other[0], y - other[1]);
    if (was > 10) view.zoom(is / was, (x + other[0]) / 2, (y + other[1]) / 2);
  };
  const release = (event) => {
    if (!pointers.delete(event.pointerId) || event.type !== 'pointerup' || travelled > 6) return;
    view.select(view.peerAt(...place(event)));
    renderPeer();
  };
  area.addEventListener('pointerup', release);
  area.addEventListener('pointercancel', release);
  area.addEventListener('pointerleave', () => {
    view.point(null);
    renderPeer();
  });
  area.addEventListener('wheel', (event) => {
    event.preventDefault();
    view.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), ...place(event));
  }, { passive: false });
}

function step(key) {
  const peer = view.selected ?? model.source;
  if (!view.selected || !peer) return model.source;
  const siblings = peer.parent?.children ?? [peer];
  const index = siblings.indexOf(peer);
  switch (key) {
    case 'ArrowUp': return peer.parent ?? peer;
    case 'ArrowDown': return peer.children[0] ?? peer;
    case 'ArrowLeft': return siblings[(index + siblings.length - 1) % siblings.length];
    default: return siblings[(index + 1) % siblings.length];
  }
}

function setUpKeys() {
  $('canvas').addEventListener('keydown', (event) => {
    if (event.key.startsWith('Arrow')) {
      const peer = step(event.key);
      view.select(peer);
      if (peer) view.reveal(peer);
    } else if (event.key === 'Escape') view.select(null);
    else if (event.key === '+' || event.key === '=') view.zoom(1.3);
    else if (event.key === '-') view.zoom(1 / 1.3);
    else if (event.key === '0') view.fit();
    else return;
    event.preventDefault();
    renderPeer();
  });
}

function resize() {
  const { clientWidth, clientHeight } = $('canvas');
  if (clientWidth > 0 && clientHeight > 0) view.resize(clientWidth, clientHeight);
  if (model.sourceLabel) renderFigures();
}

function setUp() {
  drawIcons();
  setUpPointer();
  setUpKeys();
  colour();
  $('zoomIn').addEventListener('click', () => view.zoom(1.4));
  $('zoomOut').addEventListener('click', () => view.zoom(1 / 1.4));
  $('fit').addEventListener('click', () => view.fit());
  $('colourSelect').addEventListener('change', colour);
  $('treeSelect').addEventListener('change', () => {
    isPinned = true;
    backoff.reset();
    follow($('treeSelect').value);
  });
  $('stripeSelect').addEventListener('change', () => {
    model.choose(Number($('stripeSelect').value));
    view.update(model);
    renderFigures();
  });
  $('secretForm').addEventListener('submit', (event) => {
    event.preventDefault();
    secret = $('secretInput').value;
    sessionStorage.setItem('dashboard-secret', secret);
    $('secretInput').value = '';
    list();
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
    colour();
    resize();
  });
  new ResizeObserver(resize).observe($('canvas'));
  addEventListener('online', list);
  document.addEventListener('visibilitychange', () => !document.hidden && !stream && list());
  // Time passes in the chart even when nothing happens.
  setInterval(() => {
    if (!model.sourceLabel) return;
    history.take(model.activity, performance.now());
    history.draw($('activity'));
  }, 1000);
  list();
}

setUp();
