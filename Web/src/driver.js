// Drives the engine over a Socket.IO socket and WebRTC: carries out what the peer wants, tells it what happens. The
// counterpart of the native client's PeerDriver; the contract is in Documentation/PeerTree.docc/Protocol.md.

import { agentName } from './agent.js';
import { startEngine } from './engine-host.js';
import { PeerTreeError } from './errors.js';
import { makeSessionID, Session } from './session.js';
import { EVENTS, readEvent } from './signalling.js';

const PROTOCOL = { v: 1 };
const AGENT = agentName();
const NATIVE_PATIENCE = 300;
const PLAIN_PATIENCE = 2000;
const LEAVE_PATIENCE = 3000;

export class Driver {
  treeID = null;
  ownID = null;
  isSource = false;
  isClosed = false;
  isLeaving = false;
  /** Levels below the source, as the server last said; null if it did not. */
  depth = null;
  engine = null;
  #socket;
  #options;
  #emit;
  #isNativeServer = false;
  #resume = null;
  #requested = null;
  #discovery = null;
  #iceServers = null;
  #iceTimer = null;
  #sessions = new Map();
  #closing = new Set();
  #numbers = new Map();
  #names = new Map();
  #nextRemote = 1;
  #tickets = new Map();
  #nextTicket = 1;
  #left = null;
  #handlers = [];

  /**
   * @param options of the client, with its defaults
   * @param emit called with what happens, for the client
   */
  constructor(socket, options, emit) {
    this.#socket = socket;
    this.#options = options;
    this.#emit = emit;
    for (const name of EVENTS) this.#listen(name, (payload) => this.#receive(name, payload));
    this.#listen('connect', () => this.#serverConnected());
    this.#listen('disconnect', () => this.treeID && !this.isLeaving && emit('serverLost'));
    this.#listen('connect_error', (error) => {
      this.#failDiscovery(new PeerTreeError('server-unreachable', `The server cannot be reached: ${error?.message}`));
    });
  }

  #listen(name, handler) {
    this.#handlers.push([name, handler]);
    this.#socket.on(name, handler);
  }

  // Finding a place

  /** Makes a tree, or enters the one with this id. Resolves with the tree's id. */
  async enter(treeID, limits) {
    if (this.isClosed) throw new PeerTreeError('closed', 'This client was destroyed: make a new one.');
    if (this.#discovery || this.treeID) throw new PeerTreeError('already-in-tree', 'Already connected to a tree.');
    this.#requested = treeID;
    this.isSource = treeID === null;
    if (this.isSource) this.depth = 0;
    const answer = await new Promise((resolve, reject) => {
      const { timeout } = this.#options;
      const error = new PeerTreeError('server-timeout', `The server did not answer within ${timeout / 1000} s.`);
      this.#discovery = { resolve, reject, timer: setTimeout(() => this.#failDiscovery(error), timeout) };
      this.#socket.emit('simple-signal[discover]', this.#request(null));
    });
    await this.#begin(answer, limits);
    return answer.treeID;
  }

  #request(resume) {
    const extra = { ...PROTOCOL, agent: AGENT };
    if (resume) {
      extra.resume = resume;
    } else {
      if (this.isSource) extra.stripes = this.#options.stripes;
      if (this.#options.capacity !== undefined) extra.capacity = this.#options.capacity;
    }
    const tree = this.treeID ?? this.#requested;
    return tree === null ? { createNew: true, peerTree: extra } : { treeID: tree, peerTree: extra };
  }

  async #begin(answer, limits) {
    this.treeID = answer.treeID;
    this.#isNativeServer = answer.native !== null;
    const stripes = this.isSource ? this.#options.stripes : answer.native?.stripes ?? 1;
    const options = {
      isSource: this.isSource,
      limits: { ...limits, stripes },
      delivers: this.#options.delivers,
      reports: this.#isNativeServer && !this.isSource,
    };
    const perform = (name, ...values) => this.#perform(name, values);
    const engine = await startEngine(options, perform, this.#options.engine);
    if (this.isClosed) return engine.stop();
    this.engine = engine;
    this.#emit('discover', answer.treeID, answer.id);
    return this.#place(this.#latest ?? answer);
  }

  /** An answer that came while the engine was started. */
  #latest = null;

  #discovered(answer) {
    this.ownID = answer.id;
    this.#useServers(answer.ice);
    if (answer.native?.resume) this.#resume = answer.native.resume;
    if (this.#discovery) {
      clearTimeout(this.#discovery.timer);
      this.#discovery.resolve(answer);
      this.#discovery = null;
    } else if (this.treeID === answer.treeID) {
      if (this.engine) this.#place(answer);
      else this.#latest = answer;
    }
  }

  /** Takes STUN and TURN servers, and asks for new credentials before these expire. */
  #useServers(ice) {
    if (!ice) return;
    this.#iceServers = ice.servers;
    clearTimeout(this.#iceTimer);
    if (ice.lifetime > 0) this.#iceTimer = setTimeout(() => this.#tell('peer-tree[ice-servers]', {}), ice.lifetime * 800);
  }

  #place(answer) {
    if (this.isSource) return;
    if (answer.native) {
      for (const parent of answer.native.parents) this.#assign(parent);
    } else if (answer.peers.length > 0 && !this.#isOwnOrBelow(answer.peers[0])) {
      this.#assign({ parent: answer.peers[0], stripe: 0, epoch: 0 });
    }
  }

  /** An original server may place whoever discovers again below itself; such an answer is passed over. */
  #isOwnOrBelow(id) {
    return id === this.ownID || [...this.#sessions.values()].some((each) => each.isChild && each.remoteName === id);
  }

  #assign({ parent, stripe, epoch, depth }) {
    if (stripe === 0 && depth > 0) this.depth = depth;
    this.engine?.assigned(this.#number(parent), stripe, epoch);
  }

  #discoveryFailed(code, message) {
    if (this.#discovery) {
      const isUnknown = code === 'unknown-tree' || message === 'Tree does not exist.';
      this.#failDiscovery(new PeerTreeError(isUnknown ? 'unknown-tree' : code ?? 'refused', message));
    } else if (code === 'unknown-resume' && !this.isSource) {
      // The server has forgotten this peer: it joins anew and goes on where it stands.
      this.#resume = null;
      this.#socket.emit('simple-signal[discover]', this.#request(null));
    } else {
      // The engine of a source knows of no end but its own.
      if (this.isSource) this.#emit('ended', 'source-lost');
      this.engine?.treeEnded();
    }
  }

  #failDiscovery(error) {
    if (!this.#discovery) return;
    clearTimeout(this.#discovery.timer);
    this.#discovery.reject(error);
    this.#discovery = null;
  }

  // The server

  #receive(name, payload) {
    if (this.isClosed) return;
    let event;
    try {
      event = readEvent(name, payload);
    } catch {
      return;
    }
    switch (event.kind) {
      case 'discovered': this.#discovered(event); break;
      case 'discoveryFailed': this.#discoveryFailed(event.code, event.message); break;
      case 'offer': this.#accept(event); break;
      case 'signal': this.#signal(event); break;
      case 'reject': this.#rejected(event.session); break;
      case 'assign': this.#assign(event); break;
      case 'childGone': this.engine?.childReleased(this.#number(event.id)); break;
      case 'end': this.engine?.treeEnded(); break;
      case 'interval': if (event.seconds > 0) this.engine?.setStatusInterval(event.seconds * 1000); break;
      case 'place': this.depth = event.depth; break;
      case 'iceServers': this.#useServers(event.ice); break;
      case 'tree': this.#emit('tree', event.summary); break;
      case 'refused': this.#refused(event.code, event.message); break;
      default:
    }
  }

  #refused(code, message) {
    this.#emit('refused', code, message);
    // The place was given away because no link came about in time: what is held is worth a new one.
    if (code === 'attach-timeout' && !this.isSource && !this.isLeaving) {
      this.#socket.emit('simple-signal[discover]', this.#request(null));
    }
  }

  async #serverConnected() {
    if (!this.treeID || this.isClosed || this.isLeaving) return;
    this.#emit('serverBack');
    if (this.#isNativeServer && this.#resume) {
      this.#socket.emit('simple-signal[discover]', this.#request(this.#resume));
    } else if (!this.isSource && !(await this.counters()).isFed) {
      this.#socket.emit('simple-signal[discover]', { treeID: this.treeID });
    }
  }

  /** Our own events go only to a server that knows them. */
  #tell(name, payload) {
    if (this.#isNativeServer || !name.startsWith('peer-tree')) this.#socket.emit(name, payload);
  }

  // What the engine wants

  #perform(name, values) {
    if (this.isClosed && name !== 'left') return;
    const [first, second, third] = values;
    switch (name) {
      case 'connect': this.#connect(first); break;
      case 'cancelConnect': this.#cancelConnect(first); break;
      case 'opened': this.#opened(first); break;
      case 'lost': this.#lost(this.#sessionWith(first)); break;
      case 'closing': this.#close(first, second); break;
      case 'flushed': this.#flushed(first); break;
      case 'attached': this.#tell('peer-tree[attached]', { stripe: first, epoch: second }); break;
      case 'orphaned': this.#orphaned(first, second, third); break;
      case 'childLost':
        this.#tell('peer-tree[child-lost]', { id: this.#name(first), reason: second });
        break;
      case 'status': this.#report(first); break;
      case 'upstream':
      case 'downstream': this.#emit(name, this.#name(first)); break;
      case 'neighbourGone': this.#emit(name, this.#name(first), second); break;
      case 'counters':
        this.#tickets.get(first)?.(second);
        this.#tickets.delete(first);
        break;
      case 'left': this.#left?.(); break;
      default: this.#emit(name, ...values);
    }
  }

  #orphaned(stripe, epoch, reason) {
    if (this.#isNativeServer) this.#tell('peer-tree[orphaned]', { stripe, epoch, reason });
    // An original server places whoever discovers again.
    else this.#socket.emit('simple-signal[discover]', { treeID: this.treeID });
  }

  async #report({ rate, children, lag, roundTrip: measured }) {
    const parent = [...this.#sessions.values()].find(({ isChild, isOpen }) => isOpen && !isChild);
    // A link that is busy with the stream carries no heartbeats to measure by.
    const roundTrip = measured < 0 && parent ? await parent.roundTrip().catch(() => -1) : measured;
    if (this.isClosed) return;
    const status = { rate, children };
    if (lag !== null) status.lag = Math.round(lag * 10) / 10;
    if (roundTrip >= 0) status.roundTrip = Math.round(roundTrip * 10) / 10;
    if (this.depth !== null) status.depth = this.depth;
    if (!this.isLeaving) this.#tell('peer-tree[status]', status);
    this.#emit('status', { rate, children, lag, roundTrip });
  }

  /** What is counted, and the state of the peer. */
  counters() {
    return new Promise((resolve) => {
      if (!this.engine || this.isClosed) return resolve({});
      const ticket = this.#nextTicket++;
      this.#tickets.set(ticket, resolve);
      return this.engine.counters(ticket);
    });
  }

  // Links

  #configuration() {
    const { config } = this.#options;
    return this.#iceServers && !config?.iceServers ? { ...config, iceServers: this.#iceServers } : config;
  }

  #makeSession(id, remoteName, isChild, isNative) {
    const session = new Session({
      id, remoteName, isChild, isNative,
      configuration: this.#configuration(),
      send: (signal) => this.#sendSignal(session, signal, null),
      onLost: () => {
        if (this.#sessions.get(id) !== session) return;
        // The engine knows whether a link was open, and answers with 'lost'.
        if (session.hasChannel) this.engine?.lost(session.number);
        else this.#lost(session);
      },
    });
    this.#sessions.set(id, session);
    return session;
  }

  #sendSignal(session, signal, metadata) {
    const payload = { signal, metadata, sessionId: session.id, target: session.remoteName };
    this.#socket.emit('simple-signal[signal]', payload);
  }

  #adopt(session, channel) {
    if (this.isClosed || this.#sessions.get(session.id) !== session) return channel.close();
    session.hasChannel = true;
    const remote = this.#number(session.remoteName);
    return this.engine.adopt(session.number, remote, session.isChild, session.isNative, channel);
  }

  async #connect(remote) {
    const name = this.#name(remote);
    let session = null;
    try {
      session = this.#makeSession(makeSessionID(), name, false, false);
      const signal = await session.offer('peer-tree', (channel) => this.#adopt(session, channel));
      if (this.#sessions.get(session.id) !== session) return;
      // An original server passes metadata on as well: native peers find each other there too.
      const payload = { signal, metadata: { peerTree: PROTOCOL }, sessionId: session.id, target: name };
      this.#socket.emit('simple-signal[offer]', payload);
      session.trickle();
    } catch (error) {
      // Given up meanwhile: that is why it failed.
      if (session && this.#sessions.get(session.id) !== session) return;
      this.#emit('warning', `No connection can be made: ${error.message}`);
      if (session) this.#drop(session);
      this.engine?.connectFailed(remote, false);
    }
  }

  #cancelConnect(remote) {
    const name = this.#name(remote);
    for (const session of [...this.#sessions.values()]) {
      if (session.remoteName === name && !session.isChild && !session.isOpen) this.#drop(session);
    }
  }

  async #accept({ session: id, initiator, signal, isNative }) {
    const hasRoom = this.#sessions.size < this.#options.maximumSessions;
    if (!this.engine || this.isLeaving || !hasRoom || this.#sessions.has(id) || signal?.type !== 'offer') {
      return this.#reject(id, initiator, 'no room for another peer');
    }
    try {
      const session = this.#makeSession(id, initiator, true, isNative);
      const answer = await session.answer(signal, (channel) => this.#adopt(session, channel));
      if (this.#sessions.get(id) !== session) return undefined;
      this.#sendSignal(session, answer, isNative ? { peerTree: PROTOCOL } : null);
      return session.trickle();
    } catch (error) {
      const session = this.#sessions.get(id);
      if (session) this.#drop(session);
      return this.#reject(id, initiator, error.message);
    }
  }

  #reject(sessionId, target, reason) {
    this.#socket.emit('simple-signal[reject]', { metadata: { reason }, sessionId, target });
  }

  async #signal({ session: id, signal, isNative }) {
    const session = this.#sessions.get(id);
    if (!session) return;
    if (signal?.type === 'answer' && !session.isChild) {
      session.isNative = isNative;
      this.engine?.setNative(session.number, isNative);
    }
    try {
      await session.signal(signal);
    } catch (error) {
      this.#emit('warning', `A signal of ${session.remoteName} was refused: ${error.message}`);
    }
  }

  #rejected(id) {
    const session = this.#sessions.get(id);
    if (!session || session.isChild || session.isOpen) return;
    this.#drop(session);
    this.engine?.connectFailed(this.#number(session.remoteName), true);
  }

  #sessionWith(number) {
    for (const session of this.#sessions.values()) if (session.number === number) return session;
    return null;
  }

  #opened(number) {
    const session = this.#sessionWith(number);
    if (session) session.isOpen = true;
  }

  /** The connection is over. Of an open link the engine knows already. */
  #lost(session) {
    if (!session || this.#sessions.get(session.id) !== session) return;
    const { isOpen } = session;
    this.#drop(session);
    if (!isOpen && !session.isChild) this.engine?.connectFailed(this.#number(session.remoteName), false);
  }

  #drop(session) {
    this.#sessions.delete(session.id);
    session.close();
    if (session.hasChannel) this.engine?.lost(session.number);
    this.#forgetRemotes();
  }

  /** The peer is done with a link: what was sent still goes out, then the connection is closed. */
  #close(number, isNative) {
    const session = this.#sessionWith(number);
    if (!session) return;
    this.#sessions.delete(session.id);
    this.#closing.add(session);
    setTimeout(() => this.#finishClosing(session), isNative ? NATIVE_PATIENCE : PLAIN_PATIENCE);
    this.#forgetRemotes();
  }

  #flushed(number) {
    for (const session of this.#closing) if (session.number === number) this.#finishClosing(session);
  }

  #finishClosing(session) {
    this.#closing.delete(session);
    session.close();
  }

  // Ids of the server, by number

  #number(name) {
    let number = this.#numbers.get(name);
    if (number === undefined) {
      number = this.#nextRemote++;
      this.#numbers.set(name, number);
      this.#names.set(number, name);
    }
    return number;
  }

  #name(number) {
    return this.#names.get(number) ?? '';
  }

  /** Forgets ids that nothing refers to any more, so that a long-lived relay does not grow. */
  #forgetRemotes() {
    if (this.#numbers.size <= 2 * this.#sessions.size + 64) return;
    const used = new Set([...this.#sessions.values()].map((session) => session.remoteName));
    for (const [name, number] of [...this.#numbers]) {
      if (used.has(name)) continue;
      this.#numbers.delete(name);
      this.#names.delete(number);
    }
  }

  // Leaving

  /** Leaves in order: children go on being fed until they have new parents. */
  async leave() {
    if (this.isClosed || this.isLeaving) return;
    this.isLeaving = true;
    if (this.treeID) this.#tell('peer-tree[leave]', {});
    if (this.engine) {
      const left = new Promise((resolve) => { this.#left = resolve; });
      this.engine.leave();
      await Promise.race([left, new Promise((resolve) => setTimeout(resolve, LEAVE_PATIENCE))]);
      const ends = performance.now() + PLAIN_PATIENCE;
      while (this.#closing.size > 0 && performance.now() < ends) {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
    this.close();
  }

  /** The page goes away: there is time for a word to the server and to the neighbours, for nothing else. */
  hide() {
    if (this.isClosed || !this.treeID) return;
    this.isLeaving = true;
    this.#tell('peer-tree[leave]', {});
    this.engine?.leave();
  }

  close() {
    if (this.isClosed) return;
    this.isClosed = true;
    clearTimeout(this.#iceTimer);
    this.#failDiscovery(new PeerTreeError('closed', 'This client was destroyed.'));
    for (const [name, handler] of this.#handlers) this.#socket.off(name, handler);
    for (const session of [...this.#sessions.values(), ...this.#closing]) session.close();
    this.#sessions.clear();
    this.#closing.clear();
    this.engine?.stop();
    for (const resolve of this.#tickets.values()) resolve({});
    this.#tickets.clear();
    this.#left?.();
  }
}
