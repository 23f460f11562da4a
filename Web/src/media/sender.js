// Live media at the source: a MediaStream is encoded once and written to the tree.

import { AudioSource, VideoSource } from './capture.js';
import { KEYS, writeCatalog, writeFrame } from './format.js';

const VIDEO = { codecs: ['vp09.00.10.08', 'vp8'], bitrate: 1_000_000, framerate: 30, keyFrameInterval: 2 };
const AUDIO = { codec: 'opus', bitrate: 64_000 };
const LOWEST_SHARE = 0.15;
const UPLINK_CHECK = 500;
const CATALOG_PATIENCE = 1500;

/** A broadcast of a MediaStream. Made by `client.broadcast`. */
export class MediaSender {
  /** Resolves with the tree's id once the first frame is on its way. */
  started;
  /** Resolves when the broadcast is over. */
  finished;
  statistics = { framesEncoded: 0, framesDropped: 0, bitrate: 0, targetBitrate: 0, bytes: 0, codec: null };
  #client;
  #title;
  #tracks = [];
  #pending = [];
  #hasCatalog = false;
  #isDue = false;
  #origin = Math.round((performance.timeOrigin + performance.now()) * 1000);
  #begin = performance.now();
  #timers = [];
  #isStopped = false;
  #settle;
  #isFirst;

  constructor(client, stream, { video = {}, audio = {}, title = '' } = {}) {
    this.#client = client;
    this.#title = title;
    this.started = new Promise((resolve, reject) => { this.#isFirst = { resolve, reject }; });
    this.finished = new Promise((resolve) => { this.#settle = resolve; });
    this.started.catch((error) => {
      client.emit('error', error);
      this.stop();
    });
    const [videoTrack] = stream.getVideoTracks();
    const [audioTrack] = stream.getAudioTracks();
    if (videoTrack && video) this.#tracks.push(new VideoTrack(1, videoTrack, { ...VIDEO, ...video }, this));
    if (audioTrack && audio) this.#tracks.push(new AudioTrack(2, audioTrack, { ...AUDIO, ...audio }, this));
    this.#start().catch((error) => this.#isFirst.reject(error));
  }

  async #start() {
    if (this.#tracks.length === 0) throw new Error('The MediaStream has no track to broadcast.');
    if (!this.#client.treeID) await this.#client.create({ policy: 'live' });
    this.#timers.push(setInterval(() => this.#adapt(), UPLINK_CHECK));
    // A silent track must not hold up the others, nor one that never starts: sound without an audio device.
    this.#timers.push(setTimeout(() => {
      this.#isDue = true;
      this.#sendCatalog(true);
    }, CATALOG_PATIENCE));
    await Promise.all(this.#tracks.map((track) => track.start()));
  }

  /** Microseconds since the broadcast began. */
  now() {
    return (performance.now() - this.#begin) * 1000;
  }

  hasVideo() {
    return this.#tracks.some((track) => track.kind === 'video');
  }

  /** A track's decoder configuration is known, or changed. */
  configured() {
    this.#sendCatalog(this.#hasCatalog || this.#isDue);
  }

  #sendCatalog(isDue) {
    const known = this.#tracks.filter((track) => track.description);
    if (this.#isStopped || known.length === 0 || (!isDue && known.length < this.#tracks.length)) return;
    const tracks = known.map((track) => track.description);
    this.#client.write(writeCatalog({ title: this.#title, live: true, origin: this.#origin, tracks }), { key: KEYS.catalog });
    if (this.#hasCatalog) {
      for (const track of this.#tracks) track.wantsKeyFrame = true;
    }
    this.#hasCatalog = true;
    for (const [frame, chunk, isJoinPoint] of this.#pending.splice(0)) this.#write(frame, chunk, isJoinPoint);
    this.#isFirst.resolve(this.#client.treeID);
  }

  send(frame, chunk, isJoinPoint) {
    if (this.#isStopped) return;
    if (this.#hasCatalog) this.#write(frame, chunk, isJoinPoint);
    else this.#pending.push([frame, chunk, isJoinPoint]);
  }

  #write(frame, chunk, isJoinPoint) {
    const message = writeFrame(frame, chunk);
    this.statistics.bytes += message.length;
    this.statistics.framesEncoded += 1;
    this.#client.write(message, { joinPoint: isJoinPoint });
  }

  /** Lowers the bit rate when the own uplink is full, and raises it again when it has been free for a while. */
  #adapt() {
    for (const track of this.#tracks) track.adapt?.(this.#client.uplink);
  }

  ended() {
    if (this.#tracks.every((track) => track.isEnded)) this.stop();
  }

  /** Ends the broadcast; the tracks themselves go on. */
  stop() {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#timers.forEach(clearInterval);
    for (const track of this.#tracks) track.stop();
    if (this.#client.treeID && !this.#client.destroyed) this.#client.end();
    this.#settle();
  }
}

/** What the two kinds share: numbering, and one timeline for all tracks. */
class Track {
  description = null;
  isEnded = false;
  wantsKeyFrame = false;
  number = 0;
  #offset = Infinity;
  #last = -1;

  constructor(id, track, options, sender) {
    this.id = id;
    this.track = track;
    this.options = options;
    this.sender = sender;
  }

  /** Maps a capture timestamp to the broadcast's timeline: each source counts from its own origin. */
  mediaTime(timestamp) {
    const offset = this.sender.now() - timestamp;
    // The quickest delivery tells the offset best; a jump means that the source's clock was set anew.
    if (offset < this.#offset || offset > this.#offset + 1e6) this.#offset = offset;
    this.#last = Math.max(this.#last + 1, Math.round(timestamp + this.#offset));
    return this.#last;
  }

  frame(chunk) {
    const isKey = chunk.type === 'key';
    return { track: this.id, isKey, number: this.number++, timestamp: chunk.timestamp, duration: chunk.duration ?? 0 };
  }

  describe(members, configuration) {
    this.description = { id: this.id, kind: this.kind, ...members };
    if (configuration?.description !== undefined) this.description.description = configuration.description;
    this.sender.configured();
  }

  end() {
    this.isEnded = true;
    this.sender.ended();
  }

  failed(error) {
    this.stop();
    this.sender.statistics.error = error.message;
    this.end();
  }

  stop() {
    this.source?.stop();
    if (this.encoder && this.encoder.state !== 'closed') this.encoder.close();
  }
}

class VideoTrack extends Track {
  kind = 'video';
  #size = '';
  #codec = null;
  #lastKey = -Infinity;
  #rate = 0;
  #freeSince = 0;
  #isBusy = false;

  async start() {
    this.#rate = this.options.bitrate;
    this.sender.statistics.targetBitrate = this.#rate;
    this.source = new VideoSource(this.track, (frame) => this.#take(frame), () => this.end());
    await this.source.start();
  }

  #configuration(codec, frame) {
    return {
      codec, width: frame.displayWidth & ~1, height: frame.displayHeight & ~1, bitrate: this.#rate,
      framerate: this.options.framerate, latencyMode: 'realtime',
    };
  }

  /** Encodes a frame; closes it. Frames that come while the encoder is being chosen, or is behind, are left out. */
  async #take(frame) {
    try {
      if (this.#isBusy || this.encoder?.encodeQueueSize > 2) {
        this.sender.statistics.framesDropped += 1;
        return;
      }
      const size = `${frame.displayWidth}x${frame.displayHeight}`;
      if (size !== this.#size) await this.#prepare(frame, size);
      const timestamp = this.mediaTime(frame.timestamp);
      const isKey = this.wantsKeyFrame || timestamp - this.#lastKey >= this.options.keyFrameInterval * 1e6;
      if (isKey) this.#lastKey = timestamp;
      this.wantsKeyFrame = false;
      const timed = new VideoFrame(frame, { timestamp });
      this.encoder.encode(timed, { keyFrame: isKey });
      timed.close();
    } catch (error) {
      this.failed(error);
    } finally {
      frame.close();
    }
  }

  async #prepare(frame, size) {
    this.#isBusy = true;
    this.#codec ??= await this.#choose(frame);
    if (!this.encoder) {
      this.encoder = new VideoEncoder({
        output: (chunk, metadata) => this.#encoded(chunk, metadata), error: (error) => this.failed(error),
      });
    }
    this.encoder.configure(this.#configuration(this.#codec, frame));
    this.sender.statistics.codec = this.#codec;
    this.sender.statistics.bitrate = this.#rate;
    this.#size = size;
    this.#lastKey = -Infinity;
    this.#isBusy = false;
  }

  /** The first codec of the list that this encoder does in less than half of real time. */
  async #choose(frame) {
    const candidates = this.options.codec ? [this.options.codec].flat() : this.options.codecs;
    for (const [index, codec] of candidates.entries()) {
      const configuration = this.#configuration(codec, frame);
      const { supported } = await VideoEncoder.isConfigSupported(configuration).catch(() => ({ supported: false }));
      if (!supported) continue;
      if (index === candidates.length - 1 || await keepsUp(configuration, frame)) return codec;
    }
    throw new Error(`This browser encodes none of ${candidates.join(', ')} at ${frame.displayWidth}x${frame.displayHeight}.`);
  }

  #encoded(chunk, metadata) {
    const configuration = metadata?.decoderConfig;
    if (configuration) {
      const { codec, codedWidth, codedHeight } = configuration;
      const { framerate, bitrate } = this.options;
      const members = { codec, codedWidth, codedHeight, framerate, bitrate };
      if (JSON.stringify(members) !== this.described) {
        this.described = JSON.stringify(members);
        this.describe(members, configuration);
        // The catalog stands before a key frame, which this one is.
        this.wantsKeyFrame = false;
      }
    }
    this.sender.send(this.frame(chunk), chunk, chunk.type === 'key');
  }

  adapt(uplink) {
    if (!this.encoder || this.encoder.state !== 'configured') return;
    const target = this.options.bitrate;
    const delay = uplink.buffered * 8 / this.#rate;
    let rate = this.#rate;
    const now = performance.now();
    if (delay > 0.3) {
      rate = Math.max(target * LOWEST_SHARE, rate * 0.7);
      this.#freeSince = now;
    } else if (now - this.#freeSince > 3000 && rate < target) {
      rate = Math.min(target, rate * 1.15);
    }
    if (Math.abs(rate - this.#rate) < target / 100) return;
    this.#rate = Math.round(rate);
    this.sender.statistics.bitrate = this.#rate;
    const [width, height] = this.#size.split('x').map(Number);
    this.encoder.configure(this.#configuration(this.#codec, { displayWidth: width, displayHeight: height }));
  }
}

/** Encodes a frame some times over and looks at the clock. */
async function keepsUp(configuration, frame) {
  const count = 8;
  const encoder = new VideoEncoder({ output: () => {}, error: () => {} });
  try {
    encoder.configure(configuration);
    const begin = performance.now();
    for (let index = 0; index < count; index++) {
      const copy = new VideoFrame(frame, { timestamp: index * 33_000 });
      encoder.encode(copy, { keyFrame: index === 0 });
      copy.close();
    }
    await encoder.flush();
    return (performance.now() - begin) / count < 500 / configuration.framerate;
  } catch {
    return false;
  } finally {
    if (encoder.state !== 'closed') encoder.close();
  }
}

class AudioTrack extends Track {
  kind = 'audio';
  #lastJoinPoint = -Infinity;
  #configured = '';

  async start() {
    this.encoder = new AudioEncoder({
      output: (chunk, metadata) => this.#encoded(chunk, metadata), error: (error) => this.failed(error),
    });
    this.source = new AudioSource(this.track, (data) => this.#take(data), () => this.end());
    await this.source.start();
  }

  #take(data) {
    try {
      const { sampleRate, numberOfChannels } = data;
      const configured = `${sampleRate}/${numberOfChannels}`;
      if (configured !== this.#configured) {
        const { codec, bitrate } = this.options;
        this.encoder.configure({ codec, bitrate, sampleRate, numberOfChannels });
        this.#configured = configured;
      }
      const timestamp = this.mediaTime(data.timestamp);
      const samples = new Float32Array(data.numberOfFrames * numberOfChannels);
      for (let channel = 0; channel < numberOfChannels; channel++) {
        const plane = samples.subarray(channel * data.numberOfFrames, (channel + 1) * data.numberOfFrames);
        data.copyTo(plane, { planeIndex: channel, format: 'f32-planar' });
      }
      const timed = new AudioData({
        format: 'f32-planar', sampleRate, numberOfChannels, numberOfFrames: data.numberOfFrames, timestamp, data: samples,
      });
      this.encoder.encode(timed);
      timed.close();
    } catch (error) {
      this.failed(error);
    } finally {
      data.close();
    }
  }

  #encoded(chunk, metadata) {
    const configuration = metadata?.decoderConfig;
    if (configuration && !this.description) {
      const { codec, sampleRate, numberOfChannels } = configuration;
      this.describe({ codec, sampleRate, numberOfChannels, bitrate: this.options.bitrate }, configuration);
    }
    const isDue = chunk.timestamp - this.#lastJoinPoint >= 1e6;
    const isJoinPoint = !this.sender.hasVideo() && isDue;
    if (isJoinPoint) this.#lastJoinPoint = chunk.timestamp;
    this.sender.send(this.frame(chunk), chunk, isJoinPoint);
  }
}
