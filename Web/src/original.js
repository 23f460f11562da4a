// The behaviour of the original package: the page itself passes messages on, from the `upstreamPeer` to each
// `downstreamPeer`, which are like simple-peer's. To all others this is a client of the original, so they speak plain
// data channel messages with it.

import { Emitter } from './emitter.js';
import { PeerTreeError } from './errors.js';
import { Connection } from './session.js';

const MAXIMUM_EARLY_CANDIDATES = 64;

/** A connection to one peer, with what pages use of simple-peer. */
class SimplePeer extends Emitter {
  connected = false;
  destroyed = false;
  #connection;
  #channel = null;
  /** Candidates wait for the descriptions that they belong to. */
  #own = [];
  #theirs = [];
  #signal;

  /** @param signal called with every signal for the other end */
  constructor(id, isUpstream, configuration, signal) {
    super();
    this.id = id;
    this.isUpstream = isUpstream;
    this.#signal = signal;
    this.#connection = new Connection(configuration, (name, value) => this.#happened(name, value));
    this.#connection.native.ontrack = ({ streams }) => streams[0] && this.emit('stream', streams[0]);
  }

  addStream(stream) {
    for (const track of stream?.getTracks() ?? []) this.#connection.native.addTrack(track, stream);
  }

  offer() {
    this.adopt(this.#connection.offer(makeSessionID()));
  }

  accept({ sdp }) {
    this.#connection.accept(sdp, (channel) => this.adopt(channel));
    this.#described();
  }

  /** An answer or a candidate of the other end. */
  take(signal) {
    if (signal?.candidate?.candidate) {
      if (this.#theirs === null) this.#connection.addCandidate(JSON.stringify(signal.candidate));
      else if (this.#theirs.length < MAXIMUM_EARLY_CANDIDATES) this.#theirs.push(signal);
    } else if (signal?.type === 'answer' && this.isUpstream && this.#theirs) {
      this.#connection.takeAnswer(String(signal.sdp));
      this.#described();
    }
  }

  #described() {
    const early = this.#theirs;
    this.#theirs = null;
    for (const signal of early) this.take(signal);
  }

  #happened(name, value) {
    if (name === 'described') {
      this.#signal({ type: this.isUpstream ? 'offer' : 'answer', sdp: value });
      for (const signal of this.#own) this.#signal(signal);
      this.#own = null;
    } else if (name === 'candidate' && value) {
      const signal = { candidate: JSON.parse(value) };
      if (this.#own) this.#own.push(signal);
      else this.#signal(signal);
    } else if (name === 'connectionFailed') {
      this.destroy(value);
    } else if (name === 'path' && ['failed', 'closed'].includes(value)) {
      this.destroy();
    }
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
    this.#connection.close();
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
    const data = payload?.discoveryData;
    const { sessionId: session, initiator, signal } = payload ?? {};
    const peer = this.#peers.get(session);
    switch (name) {
      case 'simple-signal[discover]': return this.#answered(data ?? {});
      case 'simple-signal[offer]':
        return signal?.type === 'offer' && [session, initiator].every(isText) && this.#accept(session, initiator, signal);
      case 'simple-signal[signal]': return peer?.take(signal);
      default: return peer?.destroy();
    }
  }

  #answered({ err, code, treeID, peers }) {
    if (isText(err)) this.#discoveryFailed(isText(code) ? code : 'refused', err);
    else if (isText(treeID)) this.#discovered(treeID, (Array.isArray(peers) ? peers : []).filter(isText));
  }

  #discovered(treeID, peers) {
    this.treeID = treeID;
    for (const id of peers) this.#connect(id);
    this.#emit('discover', treeID);
    this.#answer?.resolve(treeID);
    this.#answer = null;
  }

  #discoveryFailed(code, message) {
    const error = new PeerTreeError(code, message);
    if (this.#answer) this.#answer.reject(error);
    else this.#emit('error', error);
    this.#answer = null;
  }

  #make(session, remoteName, isUpstream) {
    const { config, timeout, stream } = this.#options;
    const signal = (value) => this.#signal(isUpstream && value.type ? 'offer' : 'signal', session, remoteName, value);
    const peer = new SimplePeer(remoteName, isUpstream, config, signal);
    this.#peers.set(session, peer);
    peer.addStream(stream);
    const timer = setTimeout(() => peer.destroy(), timeout);
    peer.once('connect', () => {
      clearTimeout(timer);
      if (isUpstream) this.#emit('connect', this.treeID);
    });
    peer.on('close', () => {
      clearTimeout(timer);
      this.#peers.delete(session);
      if (isUpstream) this.#lostUpstream();
    });
    return peer;
  }

  #connect(remoteName) {
    const peer = this.#make(makeSessionID(), remoteName, true);
    this.#emit('upstreamPeer', peer);
    peer.offer();
  }

  #accept(session, initiator, offer) {
    if (this.#isDestroyed || this.#peers.has(session) || this.#peers.size >= this.#options.maximumSessions) return;
    const peer = this.#make(session, initiator, false);
    this.#emit('downstreamPeer', peer);
    peer.accept(offer);
  }

  #signal(name, sessionId, target, signal) {
    const payload = { signal, metadata: null, sessionId, target };
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

const isText = (value) => typeof value === 'string';

/** A name for a session that nobody guesses. */
function makeSessionID() {
  return [...crypto.getRandomValues(new Uint32Array(4))].map((part) => part.toString(36)).join('');
}
