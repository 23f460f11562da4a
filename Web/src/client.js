import { MAXIMUM_MESSAGE_BYTES, SEAL } from './boundary.js';
import { Driver } from './driver.js';
import { Emitter } from './emitter.js';
import { PeerTreeError } from './errors.js';
import { Inbox } from './inbox.js';
import { FileSender } from './media/file-sender.js';
import { MediaReceiver } from './media/receiver.js';
import { MediaSender } from './media/sender.js';
import { KEYS } from './media/format.js';
import { drawSecret, secretBytes } from './message-cipher.js';
import { Neighbour } from './neighbour.js';
import { OriginalClient } from './original.js';
import { SocketIOClient } from './socket-io.js';
import { isSignedTree } from './source-key.js';

const DEFAULTS = {
  timeout: 10_000,
  stripes: 1,
  parity: 0,
  delivers: true,
  maximumSessions: 64,
  maximumUnreadBytes: 64 << 20,
  maximumUnsentBytes: 1 << 20,
  mode: 'auto',
  verify: 'always',
};
// What credit and retained messages can bring of a lossless stream, beside one message of the size that is set.
const BACKLOG = 48 << 20;
// What an application is told once of messages that cannot be opened, each with what to do.
const UNREADABLE = {
  'secret-missing': 'This broadcast is encrypted and the link has no key: ask for the whole link, up to its end.',
  'wrong-secret': 'The key in the link does not open this broadcast: ask for its link again.',
  'not-encrypted': 'The link has a key and this broadcast is not encrypted: what comes may not be the broadcaster\'s, and is '
    + 'not shown. Ask for the link again.',
  changed: 'A message was changed on its way, and is left out.',
};
const MODES = ['auto', 'tree', 'original'];
const VERIFY = ['always', 'when-possible'];

/** A peer of a broadcast tree: its source, or a viewer that passes on what it receives. See peer-tree.d.ts. */
export class PeerTreeClient extends Emitter {
  destroyed = false;
  /** How many bytes wait in the fullest send queue of the source. */
  uplink = { buffered: 0 };
  #options;
  #maximumMessageBytes = MAXIMUM_MESSAGE_BYTES;
  #socket;
  #ownsSocket;
  #driver = null;
  #original = null;
  #inbox;
  #readable = null;
  #writable = null;
  #reader = null;
  #neighbours = new Map();
  #unsent = [];
  #unsentBytes = 0;
  #isBlocked = false;
  #hasConnected = false;
  #end = null;
  #completion = null;
  #receiver = null;
  #senders = new Set();
  #status = { rate: 0, children: 0, lag: null, roundTrip: -1 };
  #tree = null;
  #onPageHide = () => this.#driver?.hide();

  constructor(socket, options = {}) {
    super((name) => this.#handlerAdded(name));
    this.#options = { ...DEFAULTS, ...options };
    if (!MODES.includes(this.#options.mode)) throw new TypeError(`opts.mode is one of ${MODES.join(', ')}.`);
    if (!VERIFY.includes(this.#options.verify)) throw new TypeError(`opts.verify is one of ${VERIFY.join(', ')}.`);
    if (this.#options.encrypt) this.#options.secret ??= drawSecret();
    if (this.#options.secret && this.#options.mode === 'original') {
      throw new TypeError('An encrypted broadcast needs opts.mode tree: original clients cannot read it.');
    }
    if (this.#options.identity && this.#options.mode === 'original') {
      throw new TypeError('A signed broadcast needs opts.mode tree: original clients sign nothing.');
    }
    this.#ownsSocket = typeof socket === 'string' || socket instanceof URL || Array.isArray(socket);
    this.#socket = this.#ownsSocket ? new SocketIOClient(socket, this.#options) : socket;
    if (typeof this.#socket?.emit !== 'function' || typeof this.#socket.on !== 'function') {
      throw new TypeError('The first argument is a socket.io-client socket or the address of a server, or several.');
    }
    this.#inbox = new Inbox({
      limit: this.#options.maximumUnreadBytes,
      losslessLimit: Math.max(this.#options.maximumUnreadBytes, BACKLOG + (this.#options.limits?.maximumMessageBytes ?? 0)),
      wants: () => this.#wantsMessage(),
      take: (message) => this.#take(message),
    });
    globalThis.addEventListener?.('pagehide', this.#onPageHide);
  }

  /** What opens an encrypted broadcast, as it stands in links; null if it is not encrypted. */
  get secret() {
    return this.#options.secret ?? null;
  }

  get treeID() {
    return this.#driver?.treeID ?? this.#original?.treeID ?? null;
  }

  get id() {
    return this.#driver?.ownID ?? null;
  }

  get isSource() {
    return this.#driver?.isSource ?? this.#original?.isSource ?? false;
  }

  /** What the server last told the source about its tree. */
  get tree() {
    return this.#tree;
  }

  /** The ids of the peers that feed this one, and of those that it feeds. */
  get neighbours() {
    return [...this.#neighbours.values()].map(({ id, isUpstream }) => ({ id, role: isUpstream ? 'parent' : 'child' }));
  }

  // Entering a tree

  create(options = {}) {
    return this.#enter(null, options);
  }

  connect(treeID, options = {}) {
    if (typeof treeID !== 'string' || treeID === '') {
      return this.#rejected(new PeerTreeError('bad-tree', `'${treeID}' is not the id of a tree.`));
    }
    return this.#enter(treeID, options);
  }

  #enter(treeID, options) {
    if (this.destroyed) return this.#rejected(new PeerTreeError('closed', 'This client was destroyed: make a new one.'));
    if (this.#driver || this.#original) {
      return this.#rejected(new PeerTreeError('already-in-tree', 'Already connected to a tree.'));
    }
    if (typeof RTCPeerConnection === 'undefined') {
      return this.#rejected(new PeerTreeError('no-webrtc', 'This browser has no WebRTC, or it is switched off.'));
    }
    const problem = this.#secretProblem();
    if (problem) return this.#rejected(problem);
    const limits = { ...this.#options.limits, ...options.limits };
    const policy = options.policy ?? this.#options.policy;
    if (policy !== undefined) limits.policy = policy;
    this.#maximumMessageBytes = limits.maximumMessageBytes ?? MAXIMUM_MESSAGE_BYTES;
    // A page of the original may subscribe to events right after the call: they decide how it is served.
    const entering = Promise.resolve().then(() => {
      if (this.destroyed) throw new PeerTreeError('closed', 'This client was destroyed.');
      if (this.#isOriginalPage(treeID)) return this.#enterAsOriginal(treeID);
      const handle = (name, ...values) => this.#handle(name, values);
      this.#driver = new Driver(this.#socket, this.#ownsSocket, this.#options, handle);
      return this.#driver.enter(treeID, limits).catch((error) => {
        this.#driver?.close();
        this.#driver = null;
        throw error;
      });
    });
    entering.catch((error) => this.emit('error', error));
    return entering;
  }

  #secretProblem() {
    const { secret } = this.#options;
    if (!secret) return null;
    if (!secretBytes(secret)) {
      return new PeerTreeError('bad-secret', 'The key at the end of the link is not whole: it has 43 letters, digits, - and _, '
        + `and this one has ${String(secret).length} characters. Ask for the link again.`);
    }
    return globalThis.crypto?.subtle ? null : new PeerTreeError('no-crypto', 'Encrypted broadcasts need a page that came over '
      + 'https, or from this machine.');
  }

  #rejected(error) {
    const rejection = Promise.reject(error);
    rejection.catch(() => this.emit('error', error));
    return rejection;
  }

  /** Pages of the original pass messages on themselves, from `upstreamPeer` to each `downstreamPeer`. */
  #isOriginalPage(treeID) {
    const { mode, secret, identity } = this.#options;
    if (mode !== 'auto') return mode === 'original';
    if (secret || (treeID === null && identity)) return false;
    const handles = (...names) => names.some((name) => this.listenerCount(name) > 0);
    return handles('upstreamPeer', 'downstreamPeer') && !handles('data', 'stream') && !this.#readable && !this.#writable;
  }

  #enterAsOriginal(treeID) {
    if (isSignedTree(treeID) && this.#options.verify === 'always') {
      throw new PeerTreeError('signed-tree', "This broadcast is signed, and original clients check nothing: use opts.mode 'tree', or "
        + "accept what nobody has checked with opts.verify 'when-possible'.");
    }
    this.#original = new OriginalClient(this.#socket, this.#options, (name, ...values) => this.emit(name, ...values));
    return this.#original.enter(treeID);
  }

  // Writing

  write(data, { joinPoint = false, key = null } = {}) {
    if (this.#original) return this.#original.write(data);
    if (!this.#driver?.treeID) throw new PeerTreeError('not-in-tree', 'Wait for create() before writing.');
    if (!this.isSource) throw new PeerTreeError('not-source', 'Only the source of a tree writes.');
    if (this.#end) throw new PeerTreeError('finished', 'The stream was ended.');
    const isText = typeof data === 'string';
    const payload = isText ? new TextEncoder().encode(data) : copyOf(data);
    const limit = this.#maximumMessageBytes - (this.#options.secret ? SEAL.overhead : 0);
    if (payload.length > limit) {
      const size = `A message of ${payload.length} bytes is larger than ${limit}`;
      throw new PeerTreeError('message-too-large', `${size}: write it in parts, or raise the limit in all clients.`);
    }
    this.#unsent.push(payload.length);
    this.#unsentBytes += payload.length;
    this.#driver.engine.write(payload, { isText, isJoinPoint: joinPoint, key });
    if (this.#unsentBytes > this.#options.maximumUnsentBytes) this.#isBlocked = true;
    return !this.#isBlocked;
  }

  end() {
    if (!this.#driver?.treeID || !this.isSource || this.#end) return;
    this.#end = 'complete';
    this.#unsent.push(0);
    this.#driver.engine.end();
  }

  /** Resolves once this client and everyone below it have the whole stream, or the stream broke off. */
  complete() {
    this.#completion ??= makePromise();
    return this.#completion.promise;
  }

  get isBlocked() {
    return this.#isBlocked;
  }

  #published(count, buffered) {
    this.uplink = { buffered };
    for (const size of this.#unsent.splice(0, count)) this.#unsentBytes -= size;
    if (!this.#isBlocked || this.#unsentBytes > this.#options.maximumUnsentBytes / 2) return;
    this.#isBlocked = false;
    this.emit('drain');
  }

  get writable() {
    this.#writable ??= new WritableStream({
      write: async (chunk) => {
        if (!this.write(chunk)) await new Promise((resolve) => this.once('drain', resolve));
      },
      close: () => {
        this.end();
        return this.complete();
      },
      abort: () => this.destroy(),
    });
    return this.#writable;
  }

  // Reading

  get readable() {
    this.#readable ??= new ReadableStream({
      start: (controller) => { this.#reader = controller; },
      pull: () => this.#flush(),
      cancel: () => { this.#reader = null; },
    }, { highWaterMark: 16 });
    this.#flush();
    return this.#readable;
  }

  #handlerAdded(name) {
    if (name === 'data' || name === 'message' || name === 'stream') queueMicrotask(() => this.#flush());
  }

  #wantsMessage() {
    if (this.#receiver && !this.#receiver.wantsMore) return false;
    if (this.#reader) return this.#reader.desiredSize > 0;
    return this.#receiver !== null || ['data', 'message', 'stream'].some((name) => this.listenerCount(name) > 0);
  }

  #take(message) {
    const content = message.isText ? new TextDecoder().decode(message.payload) : message.payload;
    this.#receiveMedia(message, content);
    this.emit('message', { ...message, data: content });
    this.emit('data', content);
    this.#reader?.enqueue(content);
    this.#driver?.engine?.input('consumed', message.lastSequence);
  }

  #flush() {
    this.#inbox.flush();
    if (!this.#end || this.isSource || !this.#inbox.isEmpty) return;
    const [reader, end] = [this.#reader, this.#end];
    this.#reader = null;
    if (end === 'complete') reader?.close();
    else reader?.error(new PeerTreeError('source-lost', 'The source left or vanished before the end.'));
    this.#announceEnd();
  }

  #hasAnnouncedEnd = false;

  #announceEnd() {
    if (this.#hasAnnouncedEnd) return;
    this.#hasAnnouncedEnd = true;
    this.#receiver?.end();
    if (this.#end === 'complete') this.emit('end');
    this.emit('disconnect', { reason: this.#end });
  }

  // Media

  #receiveMedia(message, content) {
    if (message.key === KEYS.catalog && message.isText && this.listenerCount('stream') > 0) {
      this.#receiver ??= new MediaReceiver({
        ...this.#options.media,
        onStream: (stream) => this.emit('stream', stream),
        onCatalog: (catalog) => this.emit('catalog', catalog),
        onWarning: (text) => this.emit('warning', text),
        onRoom: () => this.#flush(),
      });
      this.#receiver.describe(content);
    } else if (message.key === null && !message.isText) {
      this.#receiver?.take(message.payload);
    }
  }

  /** Sends a file, or a MediaStream that is encoded once, to everyone. */
  broadcast(source, options = {}) {
    const sender = new (source instanceof Blob ? FileSender : MediaSender)(this, source, options);
    this.#senders.add(sender);
    sender.finished.finally(() => this.#senders.delete(sender)).catch(() => {});
    return sender;
  }

  get media() {
    return this.#receiver;
  }

  // What the driver says

  #handle(name, values) {
    switch (name) {
      case 'deliver': return this.#deliver(...values);
      case 'published': return this.#published(...values);
      case 'upstream': return this.#linked(values[0], true);
      case 'downstream': return this.#linked(values[0], false);
      case 'neighbourGone': return this.#unlinked(values[0]);
      case 'ended': return this.#ended(values[0]);
      case 'complete':
        this.#completion ??= makePromise();
        this.#completion.resolve();
        return this.emit('complete');
      case 'unreadable': return this.emit('unreadable', { reason: values[0], message: UNREADABLE[values[0]] });
      case 'gap': return this.emit('gap', { isSkip: values[0], start: values[1], end: values[2] });
      case 'status':
        [this.#status] = values;
        return this.emit('status', this.#status);
      case 'tree':
        [this.#tree] = values;
        return this.emit('tree', this.#tree);
      case 'refused': return this.emit('refused', { code: values[0], message: values[1] });
      case 'failed': return this.#failed(values[0]);
      case 'discover':
        this.emit('discover', ...values);
        return this.#flush();
      default: return this.emit(name, ...values);
    }
  }

  #deliver(message, policy) {
    if (this.#inbox.add(message, policy)) return;
    this.emit('error', new PeerTreeError('reader-too-slow', 'The stream was read too slowly, and cannot wait.'));
    this.destroy();
  }

  #linked(id, isUpstream) {
    const neighbour = new Neighbour(id, isUpstream);
    this.#neighbours.set(id, neighbour);
    if (isUpstream && !this.#hasConnected) {
      this.#hasConnected = true;
      this.emit('connect', this.treeID);
    }
    this.emit(isUpstream ? 'upstreamPeer' : 'downstreamPeer', neighbour);
    this.emit('neighbours', this.neighbours);
  }

  #unlinked(id) {
    const neighbour = this.#neighbours.get(id);
    if (!neighbour) return;
    this.#neighbours.delete(id);
    neighbour.emit('close');
    this.emit('neighbours', this.neighbours);
  }

  #ended(reason) {
    this.#end = reason;
    if (reason !== 'complete') {
      this.#completion ??= makePromise();
      this.#completion.resolve();
      // A source has nothing to read first: the server has forgotten its tree.
      if (this.isSource) this.#announceEnd();
    }
    this.#flush();
  }

  #failed(reason) {
    this.emit('error', new PeerTreeError('engine', `The engine stopped: ${reason}`));
    this.destroy();
  }

  // Observing and leaving

  /** Counters, and how this peer is placed. */
  async statistics() {
    const counters = (await this.#driver?.counters()) ?? {};
    return { ...this.#status, ...counters, neighbours: this.neighbours, engine: this.#driver?.engine?.placement };
  }

  /** Finds new paths for all links: the page knows that the machine's addresses have changed. */
  restartICE() {
    this.#driver?.restartPaths();
  }

  /** Leaves in order: children go on being fed until they have new parents. */
  async leave() {
    for (const sender of this.#senders) sender.stop();
    await this.#driver?.leave();
    this.destroy();
  }

  destroy() {
    if (this.destroyed) return;
    this.destroyed = true;
    globalThis.removeEventListener?.('pagehide', this.#onPageHide);
    for (const sender of this.#senders) sender.stop();
    this.#driver?.close();
    this.#original?.destroy();
    this.#receiver?.stop();
    this.#inbox.clear();
    try {
      this.#reader?.error(new PeerTreeError('closed', 'This client was destroyed.'));
    } catch {
      // The stream was closed already.
    }
    this.#reader = null;
    this.#completion?.resolve();
    for (const neighbour of this.#neighbours.values()) neighbour.emit('close');
    this.#neighbours.clear();
    if (this.#ownsSocket) this.#socket.close();
  }
}

function copyOf(data) {
  if (data instanceof ArrayBuffer) return new Uint8Array(data.slice(0));
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice();
  throw new TypeError('A message is a string, an ArrayBuffer or a typed array.');
}

function makePromise() {
  let resolve;
  const promise = new Promise((done) => { resolve = done; });
  return { promise, resolve };
}
