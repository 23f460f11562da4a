// The engine: the client's machine, its data channels and its clock. Runs on the page, or in a worker to which the
// channels are moved.

import { OUTPUT } from './boundary.js';
import { Machine } from './machine.js';
import { MessageCipher } from './message-cipher.js';
import { ProofChecker, sign } from './source-key.js';

export class Engine {
  #machine;
  #emit;
  #clock;
  #channels = new Map();
  #waiting = [];
  #cipher;
  #privateKey;
  #isUnchecked;
  #checker = null;
  #isDraining = false;
  #wakeAt = Infinity;
  #wakeTimer = null;
  #isStopped = false;

  /**
   * @param emit called with every output that the page has to carry out, by name
   * @param clock {now, soon, after, cancel}
   */
  constructor(machine, options, emit, clock) {
    this.#machine = machine;
    this.#emit = emit;
    this.#clock = clock;
    this.#cipher = options.secret && new MessageCipher(options.secret);
    this.#privateKey = options.identity?.privateKey;
    this.#isUnchecked = options.isUnchecked;
  }

  /**
   * @param options {wasm, limits, agent, secret, identity, isUnchecked}: `secret` is bytes, or null where nothing is
   * encrypted; `identity` {publicKey, privateKey} that of a source that signs; `isUnchecked` believes all signatures
   */
  static async make(options, emit, clock) {
    const { wasm, limits, agent, identity } = options;
    const machine = await Machine.make(wasm, limits, { agent, publicKey: identity?.publicKey }, clock.now());
    return new Engine(machine, options, emit, clock);
  }

  /** Does something with the client and carries out what follows. One that trapped cannot go on: the page is told. */
  #run(action) {
    if (this.#isStopped) return;
    try {
      action();
      this.#drain();
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error) {
    this.stop();
    this.#emit('failed', String(error?.message ?? error));
  }

  // What the page asks for; each can come as a message from it.

  /** Tells the client something, by its name. */
  input(name, ...values) {
    this.#run(() => this.#machine.input(name, values, this.#clock.now()));
  }

  write(payload, options) {
    this.#waiting.push({ payload, options });
    this.#publishWaiting();
  }

  end() {
    this.#waiting.push(null);
    this.#publishWaiting();
  }

  counters(ticket) {
    this.#emit('counters', ticket, this.#machine.counters);
  }

  stop() {
    this.#isStopped = true;
    this.#clock.cancel(this.#wakeTimer);
    for (const { channel } of this.#channels.values()) channel.close();
    this.#channels.clear();
  }

  // Data channels

  /** Takes over the data channel of a link, open or not. */
  adopt(link, channel) {
    if (this.#isStopped) return channel.close();
    const entry = { channel, isOpen: false };
    this.#channels.set(link, entry);
    channel.binaryType = 'arraybuffer';
    channel.onopen = () => this.#opened(link, entry);
    channel.onclose = () => this.#isCurrent(link, entry) && this.input('channelClosed', link);
    channel.onerror = () => {};
    channel.onmessage = ({ data }) => this.#received(link, entry, data);
    channel.onbufferedamountlow = () => this.#isCurrent(link, entry) && this.#reportBuffered(link);
    if (channel.readyState === 'open') this.#opened(link, entry);
  }

  #isCurrent(link, entry) {
    return this.#channels.get(link) === entry;
  }

  #opened(link, entry) {
    if (entry.isOpen || !this.#isCurrent(link, entry)) return;
    entry.isOpen = true;
    this.input('channelOpened', link);
  }

  #received(link, entry, data) {
    // A channel that brings something is open, whether its event has come or not.
    this.#opened(link, entry);
    if (!this.#isCurrent(link, entry)) return;
    const isText = typeof data === 'string';
    const frame = isText ? new TextEncoder().encode(data) : new Uint8Array(data);
    this.#run(() => this.#machine.received(link, frame, isText, this.#clock.now()));
  }

  #send(link, data) {
    try {
      this.#channels.get(link)?.channel.send(data);
    } catch {
      // A message that is too large for a plain neighbour is left out; a channel that has closed says so by itself.
    }
  }

  #reportBuffered(link) {
    const channel = this.#channels.get(link)?.channel;
    if (channel) this.input('buffered', link, channel.bufferedAmount);
  }

  // Writing

  /** Publishes what waits, as far as the slowest child lets the stream run ahead. */
  #publishWaiting() {
    let count = 0;
    while (this.#waiting.length > 0 && this.#machine.isWritable && !this.#isStopped) {
      const message = this.#waiting.shift();
      count += 1;
      if (message) this.#run(() => this.#machine.publish(message.payload, message.options, this.#clock.now()));
      else this.input('finish');
    }
    if (count === 0) return;
    let buffered = 0;
    for (const { channel } of this.#channels.values()) buffered = Math.max(buffered, channel.bufferedAmount);
    this.#emit('published', count, buffered);
  }

  // The broadcast's secret

  async #seal(parts) {
    try {
      const sealed = await this.#cipher.seal(...parts);
      this.#run(() => this.#machine.sealed(sealed, this.#clock.now()));
    } catch (error) {
      this.#fail(error);
    }
  }

  async #open(parts) {
    const payload = await this.#cipher.open(...parts);
    this.#run(() => this.#machine.opened(payload, this.#clock.now()));
  }

  // The source's key

  /** What is signed has two numbers, by which the client knows it again. */
  async #sign(kind, number, [statement]) {
    try {
      this.input('signed', kind, number, await sign(this.#privateKey, statement));
    } catch (error) {
      this.#fail(error);
    }
  }

  async #verify(ticket, [statement, signature]) {
    if (!this.#isUnchecked) this.#checker ??= new ProofChecker(this.#machine.sourceKey);
    this.input('verified', ticket, this.#isUnchecked || await this.#checker.isTrue(statement, signature));
  }

  // Outputs

  #drain() {
    if (this.#isDraining) return;
    this.#isDraining = true;
    try {
      for (let kind = this.#machine.nextOutput(); kind !== OUTPUT.nothing; kind = this.#machine.nextOutput()) {
        this.#perform(kind);
      }
    } finally {
      this.#isDraining = false;
    }
    this.#schedule();
  }

  #perform(kind) {
    const machine = this.#machine;
    const link = () => machine.value(0);
    const channel = () => this.#channels.get(link())?.channel;
    switch (kind) {
      case OUTPUT.send: return this.#send(link(), machine.frame());
      case OUTPUT.sendMessage: {
        const { payload, isText } = machine.message(1);
        return this.#send(link(), isText ? new TextDecoder().decode(payload) : payload);
      }
      case OUTPUT.deliver: return this.#emit('deliver', machine.message(0), machine.policy);
      case OUTPUT.sign: return this.#sign(machine.value(0), machine.value(1), machine.parts);
      case OUTPUT.verify: return this.#verify(machine.value(0), machine.parts);
      case OUTPUT.seal: return this.#seal(machine.parts);
      case OUTPUT.open: return this.#open(machine.parts);
      case OUTPUT.writable: return this.#clock.soon(() => this.#publishWaiting());
      case OUTPUT.askBuffered: return this.#reportBuffered(link());
      case OUTPUT.setLowThreshold: {
        const adopted = channel();
        if (adopted) adopted.bufferedAmountLowThreshold = machine.value(1);
        return undefined;
      }
      case OUTPUT.closeChannel: return channel()?.close();
      // The page closes the rest.
      case OUTPUT.closeConnection: this.#channels.delete(link());
      default: return this.#emit(...machine.output(kind));
    }
  }

  // Time

  #schedule() {
    const at = this.#isStopped ? Infinity : this.#machine.deadline;
    if (this.#wakeTimer !== null && this.#wakeAt <= at) return;
    this.#clock.cancel(this.#wakeTimer);
    this.#wakeTimer = null;
    this.#wakeAt = at;
    if (at === Infinity) return;
    this.#wakeTimer = this.#clock.after(Math.max(0, at - this.#clock.now()), () => {
      this.#wakeTimer = null;
      this.input('tick', Date.now() * 1000);
    });
  }
}
