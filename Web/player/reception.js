// Keeps a viewer in its tree: makes a client, watches over it, and makes another one when the first cannot go on: after
// the laptop slept, the server was gone, or what came was not to be understood.

import { PeerTreeClient } from '../peer-tree.js';
import { Backoff } from './backoff.js';

const TICK = 1000;
/** A gap between two ticks that only sleep explains. */
const SLEEP = 8000;
/** How long live media may stand still, and how long after a sleep. */
const STALL = 12_000;
const STALL_AFTER_SLEEP = 4000;

/** Errors after which trying again is of no use. */
const FINAL = {
  'no-webrtc': 'This browser has no WebRTC, or it is switched off: it cannot take part in the tree.',
  forbidden: 'This broadcast is for invited viewers: open the link you were given, which has its token.',
  'bad-tree': 'This link is not complete. Ask for it again.',
  'bad-secret': 'The key at the end of this link is not whole. Ask for the link again.',
  'no-crypto': 'This broadcast is encrypted or signed, and browsers open it only on pages that came over https, or from this '
    + 'machine: ask for a link with https, or watch it with the peer-tree command.',
  'no-ed25519': 'This broadcast is signed, and this browser is too old to check that: update it, or open the link in another one.',
};
const SERVER = ['server-unreachable', 'server-timeout', 'server-full', 'too-many-joins', 'tree-full'];

export class Reception {
  client = null;
  /** Whether a stream ever came. */
  hasReceived = false;
  #servers;
  #treeID;
  #options;
  #on;
  #listening = new AbortController();
  #backoff = new Backoff(1, 10);
  #isFinished = false;
  #lastTick = performance.now();
  #frames = 0;
  #stalledSince = null;
  #patience = STALL;

  /**
   * @param place {servers, treeID, options}: where to watch what, and the options of its clients
   * @param on {state(name, text), client(client), serverLost(isLost)}
   */
  constructor({ servers, treeID, options }, on) {
    this.#servers = servers;
    this.#treeID = treeID;
    this.#options = options;
    this.#on = on;
    const { signal } = this.#listening;
    const timer = setInterval(() => this.#tick(), TICK);
    signal.addEventListener('abort', () => clearInterval(timer));
    addEventListener('online', () => this.retryNow(), { signal });
    document.addEventListener('visibilitychange', () => !document.hidden && this.retryNow(), { signal });
    this.#begin();
  }

  /** Leaves the tree in order, for good. */
  stop() {
    this.#isFinished = true;
    this.#listening.abort();
    this.#backoff.cancel();
    const { client } = this;
    this.client = null;
    client?.leave();
  }

  #begin() {
    const client = new PeerTreeClient(this.#servers, this.#options);
    this.client = client;
    this.#frames = 0;
    this.#stalledSince = null;
    const isCurrent = () => this.client === client && !this.#isFinished;
    client.on('error', (error) => isCurrent() && this.#failed(error));
    client.on('connect', () => {
      if (!isCurrent()) return;
      this.#backoff.reset();
      this.hasReceived = true;
      this.#on.state('connected');
    });
    client.on('serverLost', () => isCurrent() && this.#on.serverLost(true));
    client.on('serverBack', () => isCurrent() && this.#on.serverLost(false));
    client.on('disconnect', (event) => isCurrent() && this.#over(event?.reason));
    this.#on.client(client);
    client.connect(this.#treeID).catch(() => {});
  }

  #failed(error) {
    if (FINAL[error.code]) {
      this.#isFinished = true;
      this.#retire();
      this.#on.state('failed', FINAL[error.code]);
    } else if (error.code === 'unknown-tree') {
      this.#again('unknown', this.hasReceived
        ? 'The source or the server is gone. If the broadcast comes back under this link, it goes on here by itself.'
        : 'It has ended, has not begun, or the link is not complete. If it begins, it shows here by itself.');
    } else if (error.code === 'no-wasm') {
      this.#again('lost', error.message);
    } else if (SERVER.includes(error.code)) {
      const full = error.code === 'server-full' || error.code === 'tree-full';
      this.#again('lost', full ? 'There is no room at present. This page tries again by itself.'
        : 'The server cannot be reached. This page tries again by itself.');
    } else {
      this.#again('lost', 'What came could not be used. This page begins again by itself.');
    }
  }

  #over(reason) {
    if (reason === 'complete') {
      this.#isFinished = true;
      this.#on.state('ended', 'That was all of it.');
      // The client stays for a while: it still feeds those below.
      return;
    }
    this.#again('unknown', 'The source is gone. If it comes back under this link, it goes on here by itself.');
  }

  #again(state, text) {
    this.#retire();
    this.#on.state(state, text);
    this.#backoff.wait(() => this.#begin());
  }

  #retire() {
    const { client } = this;
    this.client = null;
    client?.destroy();
  }

  retryNow() {
    if (this.#isFinished || !this.#backoff.isWaiting) return;
    this.#backoff.reset();
    this.#on.state('connecting', 'Looking for a place in the tree.');
    this.#begin();
  }

  /** Looks whether pictures go on, and whether the machine slept. */
  #tick() {
    const now = performance.now();
    const hasSlept = now - this.#lastTick > SLEEP && !document.hidden;
    this.#lastTick = now;
    const media = this.client?.media;
    if (hasSlept) {
      if (this.#backoff.isWaiting) return this.retryNow();
      this.#patience = STALL_AFTER_SLEEP;
    }
    const frames = media ? media.statistics.framesDecoded : 0;
    if (!media?.catalog?.live || frames !== this.#frames || document.hidden) {
      this.#frames = frames;
      this.#stalledSince = null;
      return undefined;
    }
    this.#stalledSince ??= now;
    if (now - this.#stalledSince < this.#patience) return undefined;
    this.#patience = Math.min(60_000, Math.max(STALL, this.#patience * 2));
    return this.#again('lost', 'No picture has come for a while. This page looks for a better place by itself.');
  }
}
