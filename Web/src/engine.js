// The engine: the peer, its data channels and its clock. Runs on the page, or in a worker to which the channels are moved.

import { Machine, LOSS_REASONS, OUTPUT } from './machine.js';

/** How often a viewer reports, unless the server wants it otherwise. */
const STATUS_INTERVAL = 2000;

export class Engine {
  /**
   * @param emit called with what the page has to do or may want to know
   * @param clock {now, wake(milliseconds, callback)}
   */
  constructor(machine, options, emit, clock) {
    this.machine = machine;
    this.emit = emit;
    this.clock = clock;
    this.delivers = options.delivers;
    this.highWater = options.limits?.highWater ?? 1 << 20;
    this.lowWater = this.highWater / 2;
    this.links = new Map();
    this.linksByID = new Map();
    this.nextLink = 1;
    this.written = new Set();
    this.waiting = [];
    this.isDraining = false;
    this.wakeAt = Infinity;
    this.wakeTimer = null;
    this.status = { at: clock.now(), bytes: 0, lag: null };
    this.statusTimer = null;
    this.statusInterval = STATUS_INTERVAL;
    this.wasWritable = true;
    this.isStopped = false;
    if (options.reports) this.scheduleStatus();
  }

  static async make(options, emit, clock) {
    return new Engine(await Machine.make(options), options, emit, clock);
  }

  /** Gives the peer an input, by the name of the module's function, and carries out what follows. */
  feed(name, ...values) {
    this.run(() => this.machine.exports[name](...values, this.clock.now()));
  }

  /** Does something with the peer and carries out what follows. A peer that trapped cannot go on: the page is told. */
  run(action) {
    if (this.isStopped) return;
    try {
      action();
      this.drain();
    } catch (error) {
      this.stop();
      this.emit('failed', String(error?.message ?? error));
    }
  }

  // What the page asks for; each can come as a message from it.

  assigned(remote, stripe, epoch) {
    this.feed('assigned', remote, stripe, epoch);
  }

  connectFailed(remote, isRefusal) {
    this.feed('connect_failed', remote, isRefusal ? 1 : 0);
  }

  childReleased(remote) {
    this.feed('child_released', remote);
  }

  treeEnded() {
    this.feed('tree_ended');
  }

  consumed(sequence) {
    this.feed('consumed', sequence);
  }

  leave() {
    this.feed('leave');
  }

  setDelivers(delivers) {
    this.delivers = delivers;
  }

  write(payload, options) {
    this.waiting.push({ payload, options, timestamp: Date.now() * 1000 });
    this.publishWaiting();
  }

  end() {
    this.waiting.push(null);
    this.publishWaiting();
  }

  setStatusInterval(milliseconds) {
    this.statusInterval = milliseconds;
  }

  counters(ticket) {
    this.emit('counters', ticket, { ...this.machine.counters, lag: this.status.lag, ...this.machine.state });
  }

  stop() {
    this.isStopped = true;
    this.clock.cancel(this.wakeTimer);
    this.clock.cancel(this.statusTimer);
    for (const link of this.links.values()) link.channel.close();
    this.links.clear();
  }

  // Data channels

  /** Takes over the data channel of a session, open or not. */
  adopt(session, remote, isChild, isNative, channel) {
    if (this.isStopped) return channel.close();
    const link = { session, remote, isChild, isNative, channel, id: 0, unreported: 0 };
    this.links.set(session, link);
    channel.binaryType = 'arraybuffer';
    channel.bufferedAmountLowThreshold = this.lowWater;
    channel.onopen = () => this.opened(link);
    channel.onclose = () => this.closed(link);
    channel.onerror = () => {};
    channel.onmessage = ({ data }) => this.received(link, data);
    channel.onbufferedamountlow = () => {
      if (link.id) this.run(() => this.reportBuffered(link));
    };
    if (channel.readyState === 'open') this.opened(link);
  }

  /** The other end of a session said what it speaks. */
  setNative(session, isNative) {
    const link = this.links.get(session);
    if (link) link.isNative = isNative;
  }

  /** The connection under a session is gone. */
  lost(session) {
    const link = this.links.get(session);
    if (link) this.closed(link);
  }

  opened(link) {
    if (link.id || this.links.get(link.session) !== link) return;
    link.id = this.nextLink++;
    this.linksByID.set(link.id, link);
    this.emit('opened', link.session);
    this.feed('link_opened', link.id, link.remote, link.isChild ? 1 : 0, link.isNative ? 1 : 0);
  }

  closed(link) {
    if (this.links.get(link.session) !== link) return;
    this.forget(link);
    this.emit('lost', link.session, link.id !== 0);
    if (link.id) this.feed('link_closed', link.id);
  }

  received(link, data) {
    if (this.isStopped) return;
    // A channel that brings something is open, whether its event has come or not.
    if (!link.id) this.opened(link);
    if (!link.id) return;
    const isText = typeof data === 'string';
    const frame = isText ? new TextEncoder().encode(data) : new Uint8Array(data);
    this.run(() => this.machine.received(link.id, frame, isText, this.clock.now()));
  }

  forget(link) {
    this.links.delete(link.session);
    this.linksByID.delete(link.id);
    this.written.delete(link);
  }

  /** Sends, and notes that the queue of the channel has to be looked at before the peer can judge it. */
  send(link, data) {
    const length = data.length ?? 0;
    try {
      link.channel.send(data);
    } catch (error) {
      // A message that is too large for a plain neighbour is left out; the peer must hear that it is not waiting, or
      // the neighbour would get nothing more. A channel that has closed is reported by its own event.
      if (link.channel.readyState !== 'open') return;
    }
    link.unreported += Math.max(1, length);
    if (!link.isNative || link.unreported >= this.highWater / 4) this.written.add(link);
  }

  reportBuffered(link) {
    link.unreported = 0;
    const buffered = link.channel.bufferedAmount;
    const isLow = buffered <= this.lowWater;
    // A plain child never says what it has: the peer must also learn that its queue has run dry.
    link.channel.bufferedAmountLowThreshold = isLow && !link.isNative ? 0 : this.lowWater;
    if (isLow && link.id) this.machine.exports.drained(link.id, buffered, this.clock.now());
  }

  // Writing

  /** Publishes what waits, as far as the slowest child lets the stream run ahead. */
  publishWaiting() {
    let count = 0;
    while (this.waiting.length > 0 && this.machine.isWritable && !this.isStopped) {
      const message = this.waiting.shift();
      count += 1;
      if (message) {
        this.run(() => this.machine.publish(message.payload, message.options, message.timestamp, this.clock.now()));
      } else {
        this.feed('finish', Date.now() * 1000);
      }
    }
    if (count === 0) return;
    let buffered = 0;
    for (const { channel } of this.links.values()) buffered = Math.max(buffered, channel.bufferedAmount);
    this.emit('published', count, buffered);
  }

  // Outputs

  drain() {
    if (this.isDraining) return;
    this.isDraining = true;
    try {
      for (;;) {
        for (let kind = this.machine.nextOutput(); kind !== 0; kind = this.machine.nextOutput()) this.perform(kind);
        if (this.written.size === 0) break;
        const batch = [...this.written];
        this.written.clear();
        for (const link of batch) this.reportBuffered(link);
      }
    } finally {
      this.isDraining = false;
    }
    this.schedule();
  }

  perform(kind) {
    const { machine } = this;
    const value = (index) => machine.value(index);
    switch (kind) {
      case OUTPUT.send: {
        const link = this.linksByID.get(value(0));
        return link && this.send(link, machine.frame());
      }
      case OUTPUT.sendMessage: {
        const link = this.linksByID.get(value(0));
        if (!link) return undefined;
        const message = machine.message(1);
        return this.send(link, message.isText ? new TextDecoder().decode(message.payload) : message.payload);
      }
      case OUTPUT.deliver: return this.deliver(value(1), value(2));
      case OUTPUT.connect: return this.emit('connect', value(0));
      case OUTPUT.cancelConnect: return this.emit('cancelConnect', value(0));
      case OUTPUT.close: return this.close(value(0));
      case OUTPUT.gap: return this.emit('gap', value(0) === 1, value(1), value(2));
      case OUTPUT.attached: return this.emit('attached', value(0), value(1));
      case OUTPUT.orphaned: return this.emit('orphaned', value(0), value(1), LOSS_REASONS[value(2)]);
      case OUTPUT.childLost: return this.emit('childLost', value(0), LOSS_REASONS[value(1)]);
      case OUTPUT.upstream: return this.emit('upstream', value(0));
      case OUTPUT.downstream: return this.emit('downstream', value(0));
      case OUTPUT.neighbourGone: return this.emit('neighbourGone', value(0), value(1) === 1);
      case OUTPUT.writable: return this.clock.soon(() => this.publishWaiting());
      case OUTPUT.ended: return this.emit('ended', value(0) === 0 ? 'complete' : 'source-lost');
      case OUTPUT.subtreeComplete: return this.emit('complete');
      case OUTPUT.left: return this.emit('left');
      default: return undefined;
    }
  }

  deliver(lastSequence, timestamp) {
    if (timestamp > 0) this.status.lag = Date.now() - timestamp / 1000;
    if (this.delivers) this.emit('deliver', this.machine.message(0), this.machine.policy);
    else this.clock.soon(() => this.consumed(lastSequence));
  }

  /** The peer is done with a link: what was sent still goes out. */
  close(id) {
    const link = this.linksByID.get(id);
    if (!link) return;
    this.forget(link);
    link.channel.onclose = () => this.emit('flushed', link.session);
    link.channel.close();
    this.emit('closing', link.session, link.isNative);
  }

  // Time

  schedule() {
    const deadline = this.machine.exports.deadline();
    const at = deadline < 0 || this.isStopped ? Infinity : deadline;
    if (this.wakeTimer !== null && this.wakeAt <= at) return;
    this.clock.cancel(this.wakeTimer);
    this.wakeTimer = null;
    this.wakeAt = at;
    if (at === Infinity) return;
    this.wakeTimer = this.clock.after(Math.max(0, at - this.clock.now()), () => {
      this.wakeTimer = null;
      this.feed('tick');
    });
  }

  scheduleStatus() {
    this.statusTimer = this.clock.after(this.statusInterval, () => {
      const { bytesReceived, children, parentRoundTrip } = this.machine.counters;
      const now = this.clock.now();
      const rate = Math.round((bytesReceived - this.status.bytes) / Math.max(0.001, (now - this.status.at) / 1000));
      this.status.at = now;
      this.status.bytes = bytesReceived;
      this.emit('status', { rate, children, lag: this.status.lag, roundTrip: parentRoundTrip });
      this.scheduleStatus();
    });
  }
}
