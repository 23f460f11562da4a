// The peer as a state machine: the core, compiled to WebAssembly, behind plain functions. No I/O and no clock in here.
// The numbers of options, outputs and counters are those of Sources/PeerTreeWeb.

import { wasmModule } from './wasm-binary.js';

const OPTIONS = [
  'stripes', 'policy', 'replayChunks', 'replayBytes', 'window', 'highWater', 'maximumMessageBytes', 'maximumLinks',
  'heartbeatInterval', 'silenceTimeout', 'connectTimeout', 'patience', 'maximumLiveLag', 'leaveTimeout',
];
const COUNTERS = [
  'chunksReceived', 'bytesReceived', 'chunksSent', 'bytesSent', 'messagesDelivered', 'duplicates', 'malformedFrames',
  'unexpectedFrames', 'unknownFrames', 'repairRequests', 'chunksLost', 'discardedChunks', 'parentsLost',
  'slowChildren', 'skips', 'children', 'parentRoundTrip',
];

export const POLICIES = ['lossless', 'paced', 'live'];
export const LOSS_REASONS = ['silent', 'closed', 'refused', 'unreachable', 'not-forwarding', 'slow'];
export const OUTPUT = {
  connect: 1, cancelConnect: 2, close: 3, send: 4, sendMessage: 5, deliver: 6, gap: 7, attached: 8, orphaned: 9,
  childLost: 10, upstream: 11, downstream: 12, neighbourGone: 13, writable: 14, ended: 15, subtreeComplete: 16,
  left: 17,
};

/** One peer. Frames are kept here as the browser delivered them; the core knows them by number. */
export class Machine {
  constructor(instance, frames) {
    this.exports = instance.exports;
    this.frames = frames;
    this.valuesAt = this.exports.output_values();
  }

  static async make({ isSource, limits }) {
    const frames = new FrameTable();
    let exports = null;
    const bytes = (at, count) => new Uint8Array(exports.memory.buffer, at, count);
    const env = {
      frame_make: (at, count) => frames.add(bytes(at, count).slice()),
      frame_join: (at, count, payload, offset, length) => {
        const frame = new Uint8Array(count + length);
        frame.set(bytes(at, count));
        frame.set(frames.get(payload).subarray(offset, offset + length), count);
        return frames.add(frame);
      },
      frame_read: (frame, offset, count, to) => {
        bytes(to, count).set(frames.get(frame).subarray(offset, offset + count));
      },
      frame_release: (frame) => frames.remove(frame),
      random_bytes: (to, count) => crypto.getRandomValues(bytes(to, count)),
    };
    const instance = await WebAssembly.instantiate(await wasmModule(), { env });
    exports = instance.exports;
    for (const [name, value] of Object.entries(limits ?? {})) {
      const option = OPTIONS.indexOf(name);
      if (option < 0) throw new TypeError(`There is no limit '${name}'; there are ${OPTIONS.join(', ')}.`);
      const number = name === 'policy' ? POLICIES.indexOf(value) : Number(value);
      if (!(number >= 0)) throw new TypeError(`'${value}' is no value for '${name}'.`);
      exports.configure(option, number);
    }
    const stream = crypto.getRandomValues(new Uint32Array(2));
    exports.start(isSource ? 1 : 0, stream[0], stream[1]);
    return new Machine(instance, frames);
  }

  /** A message of a data channel. */
  received(link, frame, isText, now) {
    this.exports.received(link, this.frames.add(frame), frame.length, isText ? 1 : 0, now);
  }

  publish(payload, { isText, isJoinPoint, key }, timestamp, now) {
    const frame = this.frames.add(payload);
    this.exports.publish(frame, payload.length, isText ? 1 : 0, isJoinPoint ? 1 : 0, key ?? -1, timestamp, now);
  }

  /** The kind of the next output, 0 if there is none; its values and message can be read until the next call. */
  nextOutput() {
    return this.exports.next_output();
  }

  value(index) {
    return new Float64Array(this.exports.memory.buffer, this.valuesAt, index + 1)[index];
  }

  /** The frame of a `send`, as it is to be sent. */
  frame() {
    return this.part(0);
  }

  part(index) {
    const { output_part: field } = this.exports;
    const offset = field(index, 1);
    return this.frames.get(field(index, 0)).subarray(offset, offset + field(index, 2));
  }

  /** A copy of the message of a `deliver`, or of a `sendMessage`, whose values begin at `first`. */
  message(first) {
    const parts = Array.from({ length: this.exports.output_part_count() }, (_, index) => this.part(index));
    const payload = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
    let offset = 0;
    for (const part of parts) {
      payload.set(part, offset);
      offset += part.length;
    }
    const values = new Float64Array(this.exports.memory.buffer, this.valuesAt, first + 6).subarray(first);
    const [sequence, lastSequence, timestamp, isText, isJoinPoint, key] = values;
    return {
      payload, sequence, lastSequence, timestamp, isText: isText === 1, isJoinPoint: isJoinPoint === 1,
      key: key < 0 ? null : key,
    };
  }

  get state() {
    const bits = this.exports.state();
    return {
      isWritable: (bits & 1) !== 0,
      isFed: (bits & 2) !== 0,
      isEnded: (bits & 4) !== 0,
      isSubtreeComplete: (bits & 8) !== 0,
      policy: this.policy,
    };
  }

  get policy() {
    return POLICIES[this.exports.state() >> 4] ?? 'lossless';
  }

  get isWritable() {
    return this.exports.is_writable() !== 0;
  }

  get counters() {
    this.exports.write_counters();
    const values = new Float64Array(this.exports.memory.buffer, this.valuesAt, COUNTERS.length);
    return Object.fromEntries(COUNTERS.map((name, index) => [name, values[index]]));
  }
}

/** Frames by number; numbers are used again. */
class FrameTable {
  frames = [null];
  free = [];

  add(frame) {
    const number = this.free.pop() ?? this.frames.length;
    this.frames[number] = frame;
    return number;
  }

  get(number) {
    return this.frames[number];
  }

  remove(number) {
    this.frames[number] = null;
    this.free.push(number);
  }
}
