// Hosts the core's client on a page: tells it what happens to the socket and to connections, carries out what it wants,
// and decides nothing. The counterpart of the native client's PeerDriver.

import { agentName } from './agent.js';
import { EVENTS } from './boundary.js';
import { startEngine } from './engine-host.js';
import { PeerTreeError } from './errors.js';
import { secretBytes } from './message-cipher.js';
import { Connection } from './session.js';
import { prepareSigning } from './source-key.js';

const AGENT = agentName();

export class Driver {
  treeID = null;
  ownID = null;
  isSource = false;
  engine = null;
  #socket;
  #ownsSocket;
  #options;
  #emit;
  #connections = new Map();
  #handlers = [];
  #tickets = new Map();
  #nextTicket = 1;
  #requested = null;
  #entering = null;
  #left = null;
  #isClosed = false;
  #isSigning = false;

  /**
   * @param options of the client, with its defaults
   * @param emit called with what happens, for the client
   */
  constructor(socket, ownsSocket, options, emit) {
    this.#socket = socket;
    this.#ownsSocket = ownsSocket;
    this.#options = options;
    this.#emit = emit;
  }

  // What the application asks for

  /** Makes a tree, or enters the one with this id. Resolves with the tree's id. */
  async enter(treeID, limits) {
    this.#requested = treeID;
    this.isSource = treeID === null;
    const { stripes, parity, capacity, timeout: discoverTimeout, maximumSessions, delivers } = this.#options;
    const signing = await prepareSigning(treeID, this.#options);
    this.#isSigning = signing.identity !== undefined;
    const secret = this.#options.secret ? secretBytes(this.#options.secret) : null;
    const settings = {
      stripes, parity, capacity, discoverTimeout, maximumSessions, deliversMessages: delivers,
      encrypted: secret !== null, ...limits,
    };
    // Neighbours would take it for the forger of whatever it passed on.
    if (signing.isUnchecked) settings.capacity = 0;
    const perform = (name, ...values) => this.#perform(name, values);
    const { wasm, engine: placement } = this.#options;
    const engine = await startEngine({ wasm, limits: settings, agent: AGENT, secret, ...signing }, perform, placement);
    if (this.#isClosed) {
      engine.stop();
      throw this.#failure('closed');
    }
    this.engine = engine;
    this.#listen();
    return new Promise((resolve, reject) => {
      this.#entering = { resolve, reject };
      engine.input('enter', treeID);
    });
  }

  /** Finds new paths for all links. */
  restartPaths() {
    this.engine?.input('restartPaths');
  }

  /** What is counted, and the state of the peer. */
  counters() {
    return new Promise((resolve) => {
      if (!this.engine || this.#isClosed) return resolve({});
      const ticket = this.#nextTicket++;
      this.#tickets.set(ticket, resolve);
      return this.engine.counters(ticket);
    });
  }

  /** Leaves in order: children go on being fed until they have new parents. */
  leave() {
    return new Promise((resolve) => {
      if (!this.engine || this.#isClosed) return resolve();
      this.#left = resolve;
      return this.hide();
    });
  }

  /** The page goes away: there is time for a word to the server and to the neighbours, for nothing else. */
  hide() {
    this.engine?.input('leave');
  }

  close() {
    if (this.engine) this.engine.input('stop');
    else this.#isClosed = true;
  }

  // The socket to the server

  #listen() {
    const { engine } = this;
    for (const name of EVENTS) this.#on(name, (payload) => engine.input('server', name, JSON.stringify(payload) ?? null));
    this.#on('connect', () => this.#connected());
    this.#on('disconnect', () => engine.input('serverLost'));
    this.#on('connect_error', (error) => {
      engine.input('serverUnreachable', String(error?.message), this.#socket.active === false);
    });
    // The one thing that a page learns of the addresses of its machine.
    const online = () => engine.input('networkChanged', true);
    globalThis.addEventListener?.('online', online);
    this.#handlers.push(() => globalThis.removeEventListener?.('online', online));
    if (this.#socket.connected !== false) this.#connected();
  }

  #connected() {
    // What a source proves is good for one socket to one server.
    if (this.#isSigning) this.engine.input('serverNamed', String(this.#socket.id), dialledHost(this.#socket));
    this.engine.input('serverConnected');
  }

  #on(name, handler) {
    this.#socket.on(name, handler);
    this.#handlers.push(() => this.#socket.off(name, handler));
  }

  /** A socket that the page has given goes on to be the page's: it is opened again. */
  #disconnect(isForGood) {
    this.#socket.disconnect?.();
    if (!isForGood || !this.#ownsSocket) this.#socket.connect?.();
  }

  // What the client wants

  #perform(name, values) {
    const [first, second, third] = values;
    const connection = this.#connections.get(first);
    switch (name) {
      case 'emit': return this.#socket.emit(first, JSON.parse(second));
      case 'reconnectServer': return this.#disconnect(false);
      case 'disconnectServer': return this.#disconnect(true);
      case 'connect': return this.#attempt(first, second, (made) => this.engine.adopt(first, made.offer('peer-tree')));
      case 'accept':
        return this.#attempt(first, third, (made) => made.accept(second, (channel) => this.engine.adopt(first, channel)));
      case 'restart': return connection?.restart();
      case 'takeAnswer': return connection?.takeAnswer(second);
      case 'answer': return connection?.answer(second);
      case 'addCandidate': return connection?.addCandidate(second);
      case 'askRoundTrip': return this.#measure(first, connection);
      case 'closeConnection':
        connection?.close();
        return this.#connections.delete(first);
      case 'failed':
        this.#finish();
        return this.#emit('failed', first);
      default: return this.#announce(name, values);
    }
  }

  #attempt(link, servers, begin) {
    const { config } = this.#options;
    const named = servers ? { iceServers: [...(config?.iceServers ?? []), ...JSON.parse(servers)] } : {};
    const tell = (name, value) => {
      if (name === 'connectionFailed') this.#failed(link, value);
      else this.engine.input(name, link, value);
    };
    try {
      const connection = new Connection({ ...config, ...named }, tell);
      this.#connections.set(link, connection);
      begin(connection);
    } catch (error) {
      this.#failed(link, error);
    }
  }

  #failed(link, error) {
    this.#emit('warning', `A connection failed: ${error.message}`);
    this.engine.input('connectionFailed', link);
  }

  async #measure(link, connection) {
    const milliseconds = await connection?.roundTrip().catch(() => null);
    if (milliseconds != null) this.engine.input('roundTrip', link, milliseconds);
  }

  /** Tells the application. */
  #announce(name, values) {
    const [first, second] = values;
    switch (name) {
      case 'entered':
        [this.treeID, this.ownID] = values;
        this.#emit('discover', this.treeID, this.ownID);
        return this.#entering?.resolve(this.treeID);
      case 'renamed':
        this.ownID = first;
        return undefined;
      case 'entryFailed': return this.#entering?.reject(this.#failure(first, second));
      case 'status': {
        const [rate, children, lag, roundTrip] = values;
        return this.#emit('status', { rate, children, lag: lag < 0 ? null : lag, roundTrip });
      }
      case 'neighbourGone': return this.#emit(name, second);
      case 'tree': return this.#emit('tree', JSON.parse(first));
      case 'subtreeComplete': return this.#emit('complete');
      case 'counters':
        this.#tickets.get(first)?.(second);
        return this.#tickets.delete(first);
      case 'left': return this.#finish();
      // To the application, the first `upstream` says so.
      case 'connected': return undefined;
      default: return this.#emit(name, ...values);
    }
  }

  #failure(code, said) {
    const texts = {
      'unknown-tree': `The server knows no tree '${this.#requested}'.`,
      'server-timeout': `The server did not answer within ${this.#options.timeout / 1000} s.`,
      'server-unreachable': `The server cannot be reached: ${said}`,
      'already-in-tree': 'Already connected to a tree.',
      'unproven-tree': `The server does not know whose key tree '${this.#requested}' has, or does not know signed trees: use the `
        + 'server of the link, or update it.',
      closed: 'This client was destroyed: make a new one.',
    };
    return new PeerTreeError(code, texts[code] ?? said);
  }

  #finish() {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const remove of this.#handlers) remove();
    for (const connection of this.#connections.values()) connection.close();
    this.#connections.clear();
    this.engine.stop();
    for (const resolve of this.#tickets.values()) resolve({});
    this.#entering?.reject(this.#failure('closed'));
    this.#left?.();
  }
}

/** The host of a socket's server, without the brackets of an IPv6 address; sockets of socket.io-client know it, too. */
function dialledHost(socket) {
  const { hostname } = new URL(socket.url ?? socket.io?.uri ?? '', globalThis.location?.href);
  return hostname.replace(/^\[|\]$/g, '');
}
