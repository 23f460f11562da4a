// <peer-tree-player server="…" tree="…">: watches a tree, and passes it on. See peer-tree-player.d.ts.

import { describeSupport, KEYS } from '../peer-tree.js';
import { setText, show } from './dom.js';
import { Figures } from './figures.js';
import { milliseconds, plural } from './format.js';
import { ReceivedContent } from './received.js';
import { Reception } from './reception.js';
import { SoundControl } from './sound.js';
import { fillStage } from './stage.js';

const TITLES = {
  idle: 'Nothing to watch',
  connecting: 'Connecting',
  connected: 'Connected',
  unknown: 'No broadcast here',
  lost: 'Reconnecting',
  ended: 'The broadcast has ended',
  failed: 'This does not work here',
};
const ATTRIBUTES = ['server', 'tree', 'token', 'upload', 'wasm'];
const MEASURE_INTERVAL = 1000;

function placeOf(figures) {
  if (!figures?.parents.length || figures.depth === null) return '';
  const { depth, children } = figures;
  return children > 0 ? `Level ${depth}, feeding ${plural(children, 'viewer')}` : `Level ${depth}`;
}

export class PeerTreePlayer extends HTMLElement {
  static observedAttributes = ATTRIBUTES;
  #parts;
  #sound;
  #received;
  #reception = null;
  #figures = new Figures();
  #timer = null;
  #isChanging = false;
  #state = 'idle';
  #content = 'none';
  #isServerLost = false;
  #secret = null;
  #warning = null;

  constructor() {
    super();
    this.#parts = fillStage(this.attachShadow({ mode: 'open' }));
    const { video, mute, unmute, full, again, reader, lines, downloads, files } = this.#parts;
    this.#sound = new SoundControl({ video, mute, unmute });
    this.#received = new ReceivedContent({
      reader, lines, downloads, files, onContent: (content) => this.#contentIs(content),
    });
    unmute.addEventListener('click', () => {
      this.muted = false;
      mute.focus();
    });
    mute.addEventListener('click', () => { this.muted = !this.muted; });
    full.addEventListener('click', () => this.toggleFullscreen());
    video.addEventListener('dblclick', () => this.toggleFullscreen());
    again.addEventListener('click', () => this.retry());
    this.shadowRoot.addEventListener('keydown', (event) => this.#pressed(event));
  }

  connectedCallback() {
    this.#timer = setInterval(() => this.#measure(), MEASURE_INTERVAL);
    this.#change();
  }

  disconnectedCallback() {
    clearInterval(this.#timer);
    this.#change();
  }

  attributeChangedCallback(name, before, after) {
    if (before !== after && this.#timer !== null) this.#change();
  }

  // What the page sees

  get state() {
    return this.#state;
  }

  get content() {
    return this.#content;
  }

  get client() {
    return this.#reception?.client ?? null;
  }

  get video() {
    return this.#parts.video;
  }

  /** No attribute: what stands in the page's text is read by others. */
  get secret() {
    return this.#secret;
  }

  set secret(value) {
    this.#secret = value || null;
    if (this.#timer !== null) this.#change();
  }

  get muted() {
    return this.video.muted;
  }

  set muted(isMuted) {
    this.video.muted = Boolean(isMuted);
    if (!this.video.muted) this.client?.media?.resume();
    if (this.#content === 'media') this.video.play().catch(() => {});
    this.#sound.render();
  }

  retry() {
    this.#reception?.retryNow();
  }

  toggleFullscreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else if (this.requestFullscreen) this.requestFullscreen().catch(() => {});
    else this.video.webkitEnterFullscreen?.();
  }

  #pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === 'm') this.muted = !this.muted;
    else if (event.key === 'f') this.toggleFullscreen();
    else return;
    event.preventDefault();
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  // Receiving

  /** Attributes that change together make one new beginning. */
  #change() {
    if (this.#isChanging) return;
    this.#isChanging = true;
    queueMicrotask(() => {
      this.#isChanging = false;
      this.#begin();
    });
  }

  #begin() {
    this.#reception?.stop();
    this.#reception = null;
    this.#isServerLost = false;
    this.#received.clear();
    this.#stopPicture();
    this.#contentIs('none');
    const treeID = this.getAttribute('tree');
    if (!this.isConnected) return;
    if (treeID === null) {
      this.#setState('idle', 'This player was given no tree.');
      return;
    }
    this.#setState('connecting', 'Looking for a place in the tree.');
    const [server, token, wasm] = ['server', 'token', 'wasm'].map((name) => this.getAttribute(name) || undefined);
    const servers = (server ?? location.origin).split(',');
    const capacity = this.getAttribute('upload') === 'off' ? 0 : undefined;
    const options = { wasm, auth: token && { token }, capacity, secret: this.#secret ?? undefined };
    this.#reception = new Reception({ servers, treeID, options }, {
      state: (name, text) => this.#setState(name, text),
      client: (client) => this.#useClient(client),
      serverLost: (isLost) => {
        this.#isServerLost = isLost;
        this.#renderNotice();
      },
    });
  }

  #useClient(client) {
    const support = describeSupport();
    const isCurrent = () => this.client === client;
    this.#figures.restart();
    this.#warning = null;
    this.#received.restart();
    client.on('message', (message) => {
      if (!isCurrent()) return;
      this.#received.take(message);
      if (message.key === KEYS.catalog && support.watch.length > 0) this.#cannotShow(support.watch);
    });
    client.on('gap', ({ isSkip }) => !isSkip && this.#received.gap());
    client.on('catalog', (catalog) => {
      this.#warning = null;
      this.#renderNotice();
      this.#tell('catalog', catalog);
    });
    client.on('unreadable', ({ reason, message }) => isCurrent() && this.#cannotOpen(reason, message));
    client.on('warning', (text) => {
      this.#warning = text.slice(0, 300);
      this.#renderNotice();
    });
    // Without a listener for the stream, media is passed on but not decoded.
    if (support.watch.length === 0) client.on('stream', (stream) => isCurrent() && this.#play(stream));
    this.#tell('clientchange', client);
  }

  #cannotShow(reasons, title = TITLES.failed) {
    const passesOn = this.getAttribute('upload') === 'off' ? '' : ' You pass the broadcast on all the same.';
    setText(this.#parts.stateTitle, title);
    setText(this.#parts.stateText, `${reasons.join(' ')}${passesOn}`);
    this.#parts.pulse.classList.add('is-still');
  }

  #cannotOpen(reason, message) {
    if (reason !== 'changed') return this.#cannotShow([message], 'This broadcast is locked');
    this.#warning = message;
    return this.#renderNotice();
  }

  // What is shown

  #setState(name, text = '') {
    const { stateTitle, stateText, empty, pulse, again } = this.#parts;
    this.#state = name;
    const isRunning = name === 'connected';
    if (!isRunning) this.#stopPicture();
    const isGone = name === 'unknown' && this.#reception?.hasReceived;
    setText(stateTitle, isGone ? 'The broadcast is gone' : TITLES[name]);
    setText(stateText, isRunning ? 'Waiting for the broadcast to begin.' : text);
    show(empty, this.#content === 'none');
    pulse.classList.toggle('is-still', ['idle', 'ended', 'failed', 'unknown'].includes(name));
    show(again, name === 'unknown' || name === 'lost');
    if (name === 'ended') this.#received.end();
    this.#renderNotice(isRunning || this.#content === 'none' ? '' : `${stateTitle.textContent}. ${text}`);
    this.#tell('statechange', { state: name, text });
  }

  #contentIs(content) {
    if (this.#content === content) return;
    this.#content = content;
    const { stage, empty } = this.#parts;
    stage.classList.toggle('is-text', content === 'text');
    stage.classList.toggle('is-files', content === 'file');
    show(empty, content === 'none');
    this.#tell('contentchange', { content });
  }

  #renderNotice(state = '') {
    const text = state || (this.#isServerLost
      ? 'The server is gone. What you see comes from other viewers and goes on; this page waits for the server.' : this.#warning);
    const { notice } = this.#parts;
    show(notice, Boolean(text));
    setText(notice, text ?? '');
  }

  #play(stream) {
    const { video, controls } = this.#parts;
    this.#contentIs('media');
    video.srcObject = stream;
    video.play().catch(() => {});
    show(video, stream.getVideoTracks().length > 0);
    show(controls, true);
    this.#sound.render();
  }

  #stopPicture() {
    const { video, controls, badge } = this.#parts;
    video.srcObject = null;
    for (const element of [video, controls, badge]) show(element, false);
    this.#sound.render();
    if (this.#content === 'media') this.#contentIs('none');
  }

  async #measure() {
    const { client } = this;
    const figures = await this.#figures.of(client);
    if (client !== this.client) return;
    const { badge, level } = this.#parts;
    show(badge, this.#content === 'media');
    const isLive = Boolean(figures?.isLive);
    badge.classList.toggle('is-live', isLive);
    const isKnown = isLive && figures.latency !== null && figures.latency >= 0;
    setText(badge, isKnown ? `Live, ${milliseconds(figures.latency)} behind` : isLive ? 'Live' : 'Recording');
    setText(level, placeOf(figures));
    this.#tell('figures', figures);
  }
}

for (const name of ATTRIBUTES) {
  Object.defineProperty(PeerTreePlayer.prototype, name, {
    get() { return this.getAttribute(name); },
    set(value) {
      if (value === null || value === undefined) this.removeAttribute(name);
      else this.setAttribute(name, value);
    },
    configurable: true,
    enumerable: true,
  });
}
