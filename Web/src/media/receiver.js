// Live media at a viewer: frames are decoded, and come out as a MediaStream in time with each other.

import { readCatalog, readFrame } from './format.js';
import { AudioOutput, makeVideoOutput } from './output.js';
import { Playout } from './playout.js';

/** How far ahead of their time frames of a file are decoded, in microseconds. */
const DECODE_AHEAD = 300_000;
/** How much of a file may wait here undecoded. */
const MAXIMUM_WAITING = 16 << 20;

export class MediaReceiver {
  catalog = null;
  stream = null;
  statistics = { framesDecoded: 0, framesDropped: 0, framesShown: 0, latency: null, width: 0, height: 0 };
  #options;
  #tracks = new Map();
  #playout = new Playout();
  #waiting = [];
  #waitingBytes = 0;
  #timer = null;
  #isEnded = false;

  constructor(options) {
    this.#options = options;
  }

  /** Whether the stream should be read on. */
  get wantsMore() {
    return this.#waitingBytes < MAXIMUM_WAITING;
  }

  /** Milliseconds that the jitter buffer adds at present. */
  get delay() {
    return this.#playout.delay;
  }

  /** Lets sound begin; browsers want a click before. */
  resume() {
    return Promise.all([...this.#tracks.values()].map((track) => track.resume?.()));
  }

  /** Takes a catalog. */
  describe(text) {
    let catalog;
    try {
      catalog = readCatalog(text);
    } catch (error) {
      this.#options.onWarning(error.message);
      return;
    }
    this.catalog = catalog;
    this.#playout.isLive = catalog.live;
    this.#playout.hasSound = catalog.tracks.some((track) => track.kind === 'audio');
    const kept = new Set();
    for (const entry of catalog.tracks) {
      const key = JSON.stringify([entry.kind, entry.configuration, [...entry.configuration.description ?? []]]);
      const known = this.#tracks.get(entry.id);
      kept.add(entry.id);
      if (known?.key === key) continue;
      if (known?.kind === entry.kind) {
        known.configure(entry, key);
      } else {
        known?.stop();
        const Track = entry.kind === 'video' ? VideoTrack : AudioTrack;
        this.#tracks.set(entry.id, new Track(entry, key, this, this.#playout));
      }
    }
    for (const [id, track] of this.#tracks) {
      if (kept.has(id)) continue;
      track.stop();
      this.#tracks.delete(id);
    }
    this.#options.onCatalog(catalog);
    this.#offerStream();
  }

  #offerStream() {
    const tracks = [...this.#tracks.values()].map((track) => track.output).filter(Boolean);
    if (this.stream) {
      for (const track of this.stream.getTracks()) if (!tracks.includes(track)) this.stream.removeTrack(track);
      for (const track of tracks) this.stream.addTrack(track);
    } else if (tracks.length > 0) {
      this.stream = new MediaStream(tracks);
      this.#options.onStream(this.stream);
    }
  }

  /** Takes a message that may be a frame. */
  take(message) {
    const frame = readFrame(message);
    if (!frame || !this.#tracks.has(frame.track)) return;
    const arrival = performance.now();
    this.#playout.arrived(frame.timestamp, arrival);
    if (this.#playout.isLive && this.#waiting.length === 0) {
      this.#tracks.get(frame.track).take(frame);
    } else {
      this.#waiting.push(frame);
      this.#waitingBytes += frame.data.length;
      this.#decodeDue();
    }
  }

  /** Decodes what of a file is due soon. */
  #decodeDue() {
    clearTimeout(this.#timer);
    const now = performance.now();
    while (this.#waiting.length > 0 && this.#playout.due(this.#waiting[0].timestamp) - now < DECODE_AHEAD / 1000) {
      const frame = this.#waiting.shift();
      this.#waitingBytes -= frame.data.length;
      this.#tracks.get(frame.track)?.take(frame);
    }
    this.#options.onRoom?.();
    if (this.#waiting.length > 0) this.#timer = setTimeout(() => this.#decodeDue(), 50);
    else if (this.#isEnded) this.#flush();
  }

  shown(timestamp) {
    this.statistics.framesShown += 1;
    if (this.catalog?.origin === null) return;
    this.statistics.latency = performance.timeOrigin + performance.now() - (this.catalog.origin + timestamp) / 1000;
  }

  warn(text) {
    this.#options.onWarning(text);
  }

  end() {
    this.#isEnded = true;
    if (this.#waiting.length === 0) this.#flush();
  }

  async #flush() {
    await Promise.all([...this.#tracks.values()].map((track) => track.flush()));
  }

  stop() {
    clearTimeout(this.#timer);
    for (const track of this.#tracks.values()) track.stop();
    this.#tracks.clear();
  }
}

/** A track's decoder. Frames without what they build on are left out until the next key frame. */
class Track {
  #next = null;
  #needsKey = true;

  constructor(entry, key, receiver, playout) {
    this.kind = entry.kind;
    this.receiver = receiver;
    this.playout = playout;
    this.prepare?.(entry);
    this.configure(entry, key);
  }

  configure(entry, key) {
    this.key = key;
    this.entry = entry;
    this.#needsKey = true;
    this.#next = null;
    this.restart();
  }

  restart() {
    if (this.decoder && this.decoder.state !== 'closed') this.decoder.close();
    const decoder = this.makeDecoder((error) => {
      if (this.decoder !== decoder) return;
      this.receiver.warn(`${this.entry.configuration.codec} cannot be decoded: ${error.message}`);
      this.#needsKey = true;
      this.decoder = null;
    });
    this.decoder = decoder;
    try {
      decoder.configure(this.configuration());
    } catch (error) {
      this.receiver.warn(`This browser does not decode ${this.entry.configuration.codec}: ${error.message}`);
      this.decoder = null;
    }
  }

  take(frame) {
    if (this.#next !== null && frame.number !== this.#next) {
      const distance = (frame.number - this.#next) >>> 0;
      // Twice, or from before what was seen.
      if (distance > 0x7fffffff) return;
      this.#needsKey = true;
    }
    this.#next = (frame.number + 1) >>> 0;
    if (this.#needsKey && !frame.isKey) {
      this.receiver.statistics.framesDropped += 1;
      return;
    }
    if (!this.decoder && frame.isKey) this.restart();
    if (!this.decoder || this.decoder.state !== 'configured') return;
    this.#needsKey = false;
    this.decode(frame);
  }

  chunk({ isKey, timestamp, duration, data }) {
    return { type: isKey ? 'key' : 'delta', timestamp, duration, data };
  }

  async flush() {
    if (this.decoder?.state === 'configured') await this.decoder.flush().catch(() => {});
  }

  stop() {
    if (this.decoder && this.decoder.state !== 'closed') this.decoder.close();
    this.decoder = null;
    this.close();
  }
}

class VideoTrack extends Track {
  #frames = [];
  #timer = null;

  prepare({ configuration }) {
    this.sink = makeVideoOutput(configuration);
    this.output = this.sink.track;
  }

  configuration() {
    return { ...this.entry.configuration, optimizeForLatency: true };
  }

  makeDecoder(error) {
    return new VideoDecoder({ output: (frame) => this.#decoded(frame), error });
  }

  decode(frame) {
    this.decoder.decode(new EncodedVideoChunk(this.chunk(frame)));
  }

  #decoded(frame) {
    const { statistics } = this.receiver;
    statistics.framesDecoded += 1;
    statistics.width = frame.displayWidth;
    statistics.height = frame.displayHeight;
    this.#frames.push(frame);
    this.#show();
  }

  #show() {
    clearTimeout(this.#timer);
    while (this.#frames.length > 0) {
      const wait = this.playout.due(this.#frames[0].timestamp) - performance.now();
      // Timers are no finer than this; the very first picture never waits. In a hidden tab, whose timers are slow,
      // pictures that wait would use up those that the decoder has.
      if (wait > 2 && this.receiver.statistics.framesShown > 0 && !document.hidden) {
        this.#timer = setTimeout(() => this.#show(), wait);
        return;
      }
      const frame = this.#frames.shift();
      const { timestamp } = frame;
      this.sink.show(frame);
      this.receiver.shown(timestamp);
    }
  }

  close() {
    clearTimeout(this.#timer);
    for (const frame of this.#frames.splice(0)) frame.close();
    this.sink.stop();
  }
}

class AudioTrack extends Track {
  prepare() {
    this.sink = new AudioOutput();
    this.output = this.sink.track;
  }

  configuration() {
    return this.entry.configuration;
  }

  makeDecoder(error) {
    return new AudioDecoder({ output: (data) => this.sink.play(data, this.playout.due(data.timestamp)), error });
  }

  decode(frame) {
    this.decoder.decode(new EncodedAudioChunk(this.chunk(frame)));
  }

  resume() {
    return this.sink.resume();
  }

  close() {
    this.sink.stop();
  }
}
