// The behaviour of the original package: the page itself passes messages on, from the `upstreamPeer` to each
// `downstreamPeer`, which are like simple-peer's. To all others this is a client of the original, so they speak plain
// data channel messages with it.

import { Emitter } from './emitter.js';
import { PeerTreeError } from './errors.js';
import { makeSessionID, Session } from './session.js';
import { readEvent } from './signalling.js';

/** A connection to one peer, with what pages use of simple-peer. */
class SimplePeer extends Emitter {
  connected = false;
  destroyed = false;
  #channel = null;

  constructor(session, isUpstream) {
    super();
    this.session = session;
    this.id = session.remoteName;
    this.isUpstream = isUpstream;
  }

  adopt(channel) {
    this.#channel = channel;
    channel.binaryType = 'arraybuffer';
    channel.bufferedAmountLowThreshold = 64 * 1024;
    channel.onopen = () => this.#opened();
    channel.onclose = () => this.destroy();
    channel.onbufferedamountlow = () => this.emit('drain');
    channel.onmessage = ({ data }) => this.emit('data', typeof data === 'string' ? new TextEncoder().encode(data) : new Uint8Array(data));
    if (channel.readyState === 'open') this.#opened();
  }

  #opened() {
    if (this.connected || this.destroyed) return;
    this.connected = true;
    this.emit('connect');
  }

  send(data) {
    if (this.#channel?.readyState !== 'open') throw new Error('The peer is not connected.');
    this.#channel.send(data);
  }

  write(data) {
    if (this.#channel?.readyState !== 'open') return false;
    this.#channel.send(data);
    return this.#channel.bufferedAmount <= 64 * 1024;
  }

  destroy(error) {
    if (this.destroyed) return;
    this.destroyed = true;
    this.connected = false;
    this.session.close();
    if (error) this.emit('error', error);
    this.emit('close');
  }
}

export class OriginalClient {
  treeID = null;
  isSource = false;
  #socket;
  #options;
  #emit;
  #peers = new Map();
  #isDestroyed = false;
  #answer = null;
  #retry = null;
  #handlers = [];

  constructor(socket, options, emit) {
    this.#socket = socket;
    this.#options = options;
    this.#emit = emit;
    const names = ['discover', 'offer', 'signal', 'reject'].map((name) => `simple-signal[${name}]`);
    for (const name of names) {
      const handler = (payload) => this.#receive(name, payload);
      this.#handlers.push([name, handler]);
      socket.on(name, handler);
    }
  }

  enter(treeID) {
    this.isSource = treeID === null;
    this.treeID = treeID;
    return new Promise((resolve, reject) => {
      this.#answer = { resolve, reject };
      this.#discover();
    });
  }

  #discover() {
    this.#socket.emit('simple-signal[discover]', this.isSource ? { createNew: true } : { treeID: this.treeID });
  }

  #receive(name, payload) {
    let event;
    try {
      event = readEvent(name, payload);
    } catch {
      return;
    }
    const peer = this.#peers.get(event.session);
    switch (event.kind) {
      case 'discovered': this.#discovered(event); break;
      case 'discoveryFailed': this.#discoveryFailed(event); break;
      case 'offer': this.#accept(event); break;
      case 'signal': peer?.session.signal(event.signal).catch((error) => peer.destroy(error)); break;
      case 'reject': peer?.destroy(); break;
      default:
    }
  }

  #discovered({ treeID, peers }) {
    this.treeID = treeID;
    for (const id of peers) this.#connect(id);
    this.#emit('discover', treeID);
    this.#answer?.resolve(treeID);
    this.#answer = null;
  }

  #discoveryFailed({ code, message }) {
    const error = new PeerTreeError(code ?? 'refused', message);
    if (this.#answer) this.#answer.reject(error);
    else this.#emit('error', error);
    this.#answer = null;
  }

  #make(id, remoteName, isChild) {
    const { config, timeout, stream } = this.#options;
    const send = (signal) => this.#signal('signal', session, signal);
    const session = new Session({
      id, remoteName, isChild, isNative: false, configuration: config, send, onLost: () => peer.destroy(),
    });
    const peer = new SimplePeer(session, !isChild);
    this.#peers.set(id, peer);
    for (const track of stream?.getTracks() ?? []) session.connection.addTrack(track, stream);
    session.connection.ontrack = ({ streams }) => streams[0] && peer.emit('stream', streams[0]);
    const timer = setTimeout(() => peer.destroy(), timeout);
    peer.once('connect', () => {
      clearTimeout(timer);
      if (!isChild) this.#emit('connect', this.treeID);
    });
    peer.on('close', () => {
      clearTimeout(timer);
      this.#peers.delete(id);
      if (!isChild) this.#lostUpstream();
    });
    return peer;
  }

  async #connect(remoteName) {
    const peer = this.#make(makeSessionID(), remoteName, false);
    this.#emit('upstreamPeer', peer);
    try {
      const offer = await peer.session.offer(makeSessionID(), (channel) => peer.adopt(channel));
      this.#signal('offer', peer.session, offer);
      peer.session.trickle();
    } catch (error) {
      peer.destroy(error);
    }
  }

  async #accept({ session: id, initiator, signal }) {
    if (this.#isDestroyed || this.#peers.has(id) || this.#peers.size >= this.#options.maximumSessions) return;
    const peer = this.#make(id, initiator, true);
    this.#emit('downstreamPeer', peer);
    try {
      this.#signal('signal', peer.session, await peer.session.answer(signal, (channel) => peer.adopt(channel)));
      peer.session.trickle();
    } catch (error) {
      peer.destroy(error);
    }
  }

  #signal(name, session, signal) {
    const payload = { signal, metadata: null, sessionId: session.id, target: session.remoteName };
    if (!this.#isDestroyed) this.#socket.emit(`simple-signal[${name}]`, payload);
  }

  /** The original looks for another parent by itself. */
  #lostUpstream() {
    if (this.#isDestroyed) return;
    this.#emit('disconnect');
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#discover(), 200);
  }

  /** Writes to every peer below. */
  write(data) {
    let isWritable = true;
    for (const peer of this.#peers.values()) if (!peer.isUpstream) isWritable = peer.write(data) && isWritable;
    return isWritable;
  }

  destroy() {
    this.#isDestroyed = true;
    clearTimeout(this.#retry);
    for (const [name, handler] of this.#handlers) this.#socket.off(name, handler);
    for (const peer of [...this.#peers.values()]) peer.destroy();
    this.#answer?.reject(new PeerTreeError('closed', 'This client was destroyed.'));
  }
}
