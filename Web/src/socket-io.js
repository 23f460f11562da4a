// A minimal Socket.IO 5 client over Engine.IO 4 and WebSocket: the main namespace, events with text payloads, and a
// connection that comes back. It has the few methods of socket.io-client's sockets that the client uses.

import { Emitter } from './emitter.js';
import { ServerChoice } from './server-choice.js';

const FIRST_DELAY = 500;
const LONGEST_DELAY = 8000;

export class SocketIOClient extends Emitter {
  connected = false;
  id = null;
  #choice;
  #auth;
  #handshakeTimeout;
  #connectTimeout;
  #socket = null;
  #attempts = 0;
  #isClosed = false;
  #outbox = [];
  #silence = null;
  #patience = 45_000;
  #retry = null;

  /**
   * @param urls the server, or several of which one is as good as another: http, https, ws or wss; a path other than / is
   *   that of Socket.IO
   * @param options see SocketIOOptions in peer-tree.d.ts
   */
  constructor(urls, { auth, handshakeTimeout = 5000, connectTimeout = 20_000 } = {}) {
    super();
    const servers = [urls].flat().map(addressOf);
    if (servers.length === 0) throw new TypeError('There is no address of a server.');
    this.#choice = new ServerChoice(servers);
    this.#auth = auth;
    this.#handshakeTimeout = handshakeTimeout;
    this.#connectTimeout = connectTimeout;
    this.#open();
  }

  /** The address of the server that it has, or tries. */
  get url() {
    return this.#choice.current.url;
  }

  emit(name, ...values) {
    if (['connect', 'disconnect', 'connect_error'].includes(name)) return super.emit(name, ...values);
    const packet = `42${JSON.stringify([name, ...values])}`;
    if (this.connected) this.#socket.send(packet);
    // What is said before the first connection waits for it; later, the server forgets what it is not told.
    else if (this.id === null && !this.#isClosed) this.#outbox.push(packet);
    return this;
  }

  close() {
    this.#isClosed = true;
    clearTimeout(this.#retry);
    const socket = this.#socket;
    if (this.connected) socket.send('41');
    socket?.close();
    this.#lost(socket, '');
    return this;
  }

  disconnect() {
    return this.close();
  }

  /** Opens the connection again after `close`. */
  connect() {
    if (!this.#isClosed) return this;
    this.#isClosed = false;
    this.#attempts = 0;
    this.#open();
    return this;
  }

  #open() {
    let socket;
    try {
      socket = new WebSocket(this.#choice.current.socketURL);
    } catch (error) {
      // Browsers open none without TLS for a page that came with it, and none to some ports.
      this.#failed(error.message);
      return;
    }
    this.#socket = socket;
    this.#watch(this.#openingPatience);
    let reason = 'The server cannot be reached.';
    socket.onmessage = ({ data }) => {
      if (typeof data !== 'string' || this.#socket !== socket) return;
      try {
        reason = this.#receive(data) ?? reason;
      } catch {
        reason = 'The server does not speak Socket.IO.';
        socket.close();
      }
    };
    socket.onclose = () => this.#lost(socket, reason);
  }

  /** How long the server may take to open a session, and again to let the client in. */
  get #openingPatience() {
    return Math.min(this.#connectTimeout, this.#handshakeTimeout * 2 ** this.#choice.failedRounds);
  }

  /** Takes a packet; returns why the server refuses the connection, if it does. */
  #receive(data) {
    if (this.connected) this.#watch(this.#patience);
    const type = data.slice(0, 2);
    if (data[0] === '0') {
      const { pingInterval, pingTimeout } = JSON.parse(data.slice(1));
      this.#watch(this.#openingPatience);
      this.#patience = (Number(pingInterval) || 25_000) + (Number(pingTimeout) || 20_000);
      this.#socket.send(this.#auth === undefined ? '40' : `40${JSON.stringify(this.#auth)}`);
    } else if (data[0] === '2') {
      this.#socket.send(`3${data.slice(1)}`);
    } else if (type === '40') {
      this.#connected(JSON.parse(data.slice(2)));
    } else if (type === '42') {
      const packet = JSON.parse(data.slice(data.indexOf('[')));
      if (Array.isArray(packet) && typeof packet[0] === 'string') super.emit(...packet);
    } else if (type === '44') {
      this.#socket.close();
      return String(JSON.parse(data.slice(2) || '{}').message ?? 'The server refused the connection.');
    } else if (type === '41') {
      this.#socket.close();
    }
    return null;
  }

  #connected({ sid }) {
    this.id = String(sid);
    this.connected = true;
    this.#attempts = 0;
    this.#choice.succeed();
    this.#watch(this.#patience);
    for (const packet of this.#outbox.splice(0)) this.#socket.send(packet);
    super.emit('connect');
  }

  #lost(socket, reason) {
    if (!socket || this.#socket !== socket) return;
    this.#socket = null;
    clearTimeout(this.#silence);
    const wasConnected = this.connected;
    this.connected = false;
    if (this.#isClosed) {
      // Whoever opens it again goes back to the server where it was.
      if (wasConnected) super.emit('disconnect', 'io client disconnect');
    } else if (wasConnected) {
      this.#choice.lose();
      this.#openLater();
      super.emit('disconnect', 'transport close');
    } else {
      this.#failed(reason);
    }
  }

  /** The server did not let the client in: the next one is tried at once, or after a pause once all have failed. */
  #failed(reason) {
    const failures = this.#choice.fail(reason);
    if (!failures) {
      this.#open();
      return;
    }
    this.#openLater();
    const ofEach = failures.map((failure) => `${failure.server.host}: ${failure.reason}`);
    super.emit('connect_error', new Error(failures.length > 1 ? ofEach.join(' ') : reason));
  }

  #openLater() {
    const delay = Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** this.#attempts) * (0.5 + Math.random());
    this.#attempts += 1;
    this.#retry = setTimeout(() => this.#open(), delay);
  }

  /** A server that says nothing for so long is gone. */
  #watch(milliseconds) {
    clearTimeout(this.#silence);
    const socket = this.#socket;
    this.#silence = setTimeout(() => {
      socket.close();
      this.#lost(socket, 'The server does not answer.');
    }, milliseconds);
  }
}

function addressOf(url) {
  const address = new URL(url, globalThis.location?.href);
  const scheme = { 'http:': 'ws:', 'https:': 'wss:', 'ws:': 'ws:', 'wss:': 'wss:' }[address.protocol];
  if (!scheme) throw new TypeError(`'${url}' is no address of a server: use http, https, ws or wss.`);
  const path = address.pathname === '/' ? '/socket.io/' : address.pathname;
  return { url: address.href, host: address.host, socketURL: `${scheme}//${address.host}${path}?EIO=4&transport=websocket` };
}
