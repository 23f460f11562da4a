// The client as a state machine: the core, compiled to WebAssembly, behind plain functions. No I/O and no clock in here.

import { COUNTER, INPUT, OPTION, OUTPUT, POLICY } from './boundary.js';

const OUTPUTS = Object.keys(OUTPUT);
const COUNTERS = Object.keys(COUNTER);
const POLICIES = Object.keys(POLICY);

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const known = (value) => (value < 0 ? null : value);

/** One client. Frames are kept here as the browser delivered them; the core knows them by number. */
export class Machine {
  #exports;
  #frames;
  #valuesAt;

  constructor(exports, frames) {
    this.#exports = exports;
    this.#frames = frames;
    this.#valuesAt = exports.output_values();
  }

  /**
   * @param wasm the core, compiled
   * @param options by name; those that are undefined keep their defaults
   * @param agent what the program is called
   * @param publicKey the bytes of the key by which a source signs; null if it does not
   */
  static async make(wasm, options, { agent = null, publicKey = null }, now) {
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
    ({ exports } = await WebAssembly.instantiate(wasm, { env }));
    const machine = new Machine(exports, frames);
    for (const [name, value] of Object.entries(options)) if (value !== undefined) machine.#configure(name, value);
    machine.#put(agent);
    machine.#put(publicKey);
    exports.start(Date.now() * 1000, now);
    return machine;
  }

  #configure(name, value) {
    if (OPTION[name] === undefined) {
      throw new TypeError(`There is no limit '${name}'; there are ${Object.keys(OPTION).join(', ')}.`);
    }
    const number = name === 'policy' ? POLICY[value] : Number(value);
    if (!(number >= 0)) throw new TypeError(`'${value}' is no value for '${name}'.`);
    this.#exports.configure(OPTION[name], number);
  }

  #put(value) {
    if (typeof value === 'string' || value instanceof Uint8Array) {
      const bytes = typeof value === 'string' ? encoder.encode(value) : value;
      this.#exports.put_text(this.#frames.add(bytes), bytes.length);
    } else if (value === null) {
      this.#exports.put_text(0, 0);
    } else {
      this.#exports.put_number(Number(value));
    }
  }

  /** Tells the client something by name; its values are numbers, texts or bytes, and null for no text. */
  input(name, values, now) {
    if (INPUT[name] === undefined) throw new TypeError(`There is no input '${name}'.`);
    for (const value of values) this.#put(value);
    this.#exports.input(INPUT[name], now);
  }

  /** A message of a data channel. */
  received(link, frame, isText, now) {
    this.#exports.received(link, this.#frames.add(frame), frame.length, isText ? 1 : 0, now);
  }

  publish(payload, { isText, isJoinPoint, key }, now) {
    this.#exports.publish(this.#frames.add(payload), payload.length, isText ? 1 : 0, isJoinPoint ? 1 : 0, key ?? -1, now);
  }

  /** What a `seal` asked for. */
  sealed(ciphertext, now) {
    this.#exports.sealed(this.#frames.add(ciphertext), ciphertext.length, now);
  }

  /** What an `open` asked for; null if it is not authentic. */
  opened(payload, now) {
    this.#exports.opened(payload ? this.#frames.add(payload) : 0, payload?.length ?? 0, now);
  }

  /** The kind of the next output, 0 if there is none; what belongs to it can be read until the next call. */
  nextOutput() {
    return this.#exports.next_output();
  }

  value(index) {
    return new Float64Array(this.#exports.memory.buffer, this.#valuesAt, index + 1)[index];
  }

  /** The name of an output, its numbers and its texts, of which null are those that are not there. */
  output(kind) {
    const numbers = new Float64Array(this.#exports.memory.buffer, this.#valuesAt, this.#exports.output_value_count());
    const texts = this.#parts().map((part) => part && decoder.decode(part));
    return [OUTPUTS[kind], ...numbers, ...texts];
  }

  /** The frame of a `send`, as it is to be sent. */
  frame() {
    return this.#part(0);
  }

  /** The parts of a `sign`, `verify`, `seal` or `open`, as bytes. */
  get parts() {
    return this.#parts();
  }

  /** The bytes of the key by which everything in this tree is signed; null if it is not. */
  get sourceKey() {
    this.#exports.read_source_key();
    return this.#exports.output_part_count() > 0 ? this.#part(0) : null;
  }

  #part(index) {
    const { output_part: field } = this.#exports;
    const offset = field(index, 1);
    return this.#frames.get(field(index, 0))?.subarray(offset, offset + field(index, 2)) ?? null;
  }

  #parts() {
    return Array.from({ length: this.#exports.output_part_count() }, (_, index) => this.#part(index));
  }

  /** A copy of the message of a `deliver`, or of a `sendMessage`, whose values begin at `first`. */
  message(first) {
    const values = new Float64Array(this.#exports.memory.buffer, this.#valuesAt, first + 7).subarray(first);
    const [sequence, lastSequence, timestamp, isText, isJoinPoint, key, isEncrypted] = values;
    return {
      payload: joined(this.#parts()),
      sequence,
      lastSequence,
      timestamp,
      isText: isText === 1,
      isJoinPoint: isJoinPoint === 1,
      key: known(key),
      isEncrypted: isEncrypted === 1,
    };
  }

  /** When `tick` is due; never is Infinity. */
  get deadline() {
    return known(this.#exports.deadline()) ?? Infinity;
  }

  get policy() {
    return POLICIES[this.#exports.policy()];
  }

  get isWritable() {
    return this.#exports.is_writable() !== 0;
  }

  get counters() {
    this.#exports.write_counters();
    const values = Object.fromEntries(COUNTERS.map((name, index) => [name, this.value(index)]));
    const facts = ['isFed', 'isEnded', 'isSubtreeComplete'].map((name) => [name, values[name] === 1]);
    return {
      ...values, ...Object.fromEntries(facts), lag: known(values.lag), depth: known(values.depth), policy: this.policy,
    };
  }
}

/** A copy of all parts, one behind the other. */
export function joined(parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
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
