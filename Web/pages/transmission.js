// A broadcast under way: the tree, what goes into it, and its figures. It goes on by itself when the server is gone for
// a while, and begins again when the server has forgotten it: signed, under the same link.

import { PeerTreeClient, KEYS } from '/peer-tree.js';
import { writeDescription } from '../player/content.js';
import { Backoff } from '../player/backoff.js';
import { clientOptions } from './dom.js';

/** A key for one broadcast, also where it has to begin again; undefined on plain http, and without Ed25519. */
async function makeIdentity() {
  return globalThis.crypto?.subtle?.generateKey('Ed25519', false, ['sign', 'verify']).catch(() => undefined);
}

const FILE_PIECE = 64 * 1024;

export class Transmission {
  treeID = null;
  tree = null;
  isServerLost = false;
  /** What opens it; null if it is not encrypted. */
  secret = null;
  /** Bytes of content or encoded media so far. */
  bytes = 0;
  #kind;
  #options;
  #on;
  #client = null;
  #broadcast = null;
  /** What signs it; undefined where this browser or page cannot. */
  #identity;
  #backoff = new Backoff(1, 8);
  #isStopped = false;
  #generation = 0;

  /**
   * @param kind `media`, `file` or `text`
   * @param options {stream, bitrate, title, file, isEncrypted}
   * @param on {started(treeID, isElsewhere), notice(text or null), tree(summary), failed(text), ended(text)}
   */
  constructor(kind, options, on) {
    this.#kind = kind;
    this.#options = options;
    this.#on = on;
    makeIdentity().then((identity) => {
      this.#identity = identity;
      if (!this.#isStopped) this.#begin();
    });
  }

  get codec() {
    return this.#broadcast?.statistics.codec ?? null;
  }

  /** Bits a second that the encoder aims at now, and those that it would at best. */
  get encoder() {
    return this.#broadcast?.statistics ?? null;
  }

  async #begin() {
    const generation = ++this.#generation;
    const client = new PeerTreeClient(location.origin, {
      ...clientOptions(),
      ...(this.#kind === 'media' ? { policy: 'live', stripes: 5, parity: 1 } : { policy: 'lossless' }),
      encrypt: this.#options.isEncrypted,
      identity: this.#identity,
      secret: this.secret ?? undefined,
    });
    this.secret = client.secret;
    this.#client = client;
    client.on('error', (error) => generation === this.#generation && this.#failed(error));
    client.on('serverLost', () => this.#serverIs(true));
    client.on('serverBack', () => this.#serverIs(false));
    client.on('disconnect', () => generation === this.#generation && this.#forgotten());
    client.on('tree', (summary) => {
      this.tree = summary;
      this.#on.tree(summary);
    });
    try {
      if (this.#kind === 'media') await this.#sendMedia(client);
      else await this.#describe(client);
    } catch (error) {
      if (generation === this.#generation) this.#failed(error);
      return;
    }
    if (this.#isStopped || generation !== this.#generation) return;
    this.#backoff.reset();
    const isElsewhere = this.treeID !== null && this.treeID !== client.treeID;
    this.treeID = client.treeID;
    this.#on.started(this.treeID, isElsewhere);
  }

  async #sendMedia(client) {
    const { stream, bitrate, title } = this.#options;
    this.#broadcast = client.broadcast(stream, { title, video: { bitrate }, audio: {} });
    this.#broadcast.finished.then(
      () => !this.#isStopped && this.#client === client && this.#sourceEnded(),
      () => {},
    );
    await this.#broadcast.started;
  }

  async #describe(client) {
    await client.create();
    const { file } = this.#options;
    const description = this.#kind === 'text' ? { type: 'text/plain' } : { name: file.name, type: file.type, size: file.size };
    client.write(writeDescription(description), { key: KEYS.content });
  }

  #serverIs(isLost) {
    this.isServerLost = isLost;
    this.#on.notice(isLost
      ? 'The server is gone. Viewers go on receiving; new ones can come once it is back, which this page waits for.' : null);
  }

  /** The server was started anew and knows nothing of this tree. */
  #forgotten() {
    if (this.#isStopped) return;
    this.#retire();
    this.#on.notice('The server has forgotten this broadcast. It begins again.');
    this.#begin();
  }

  #failed(error) {
    if (this.#isStopped) return;
    const isServer = ['server-unreachable', 'server-timeout', 'server-full'].includes(error.code);
    if (isServer || error.code === 'engine') {
      this.#retire();
      this.#on.notice(isServer
        ? `${error.code === 'server-full' ? 'The server is full.' : 'The server cannot be reached.'} This page tries again by itself.`
        : 'Something went wrong inside this page. It begins again.');
      this.#backoff.wait(() => this.#begin());
    } else {
      this.stop();
      this.#on.failed(error.code === 'forbidden'
        ? 'This server lets only some start broadcasts: open the page with the address you were given, which ends in #token=….'
        : error.message);
    }
  }

  #sourceEnded() {
    this.stop();
    this.#on.ended('The source ended: the camera was unplugged, or the sharing was stopped.');
  }

  #retire() {
    this.#generation += 1;
    this.#broadcast?.stop();
    this.#broadcast = null;
    this.#client?.destroy();
    this.#client = null;
  }

  /** Sends a line of text. */
  sendText(text) {
    if (!this.#client?.treeID) return false;
    this.bytes += text.length;
    // A viewer that comes later begins with the last line.
    this.#client.write(text, { joinPoint: true });
    return true;
  }

  /** Sends the file, again if need be; `onProgress` gets the bytes so far. Resolves with whether all of it was sent. */
  async sendFile(onProgress) {
    const client = this.#client;
    const { file } = this.#options;
    const { name, type, size } = file;
    client.write(writeDescription({ name, type, size }), { key: KEYS.content, joinPoint: true });
    let sent = 0;
    const reader = file.stream().getReader();
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      for (let start = 0; start < value.length; start += FILE_PIECE) {
        if (this.#client !== client || this.#isStopped) return false;
        const piece = value.subarray(start, start + FILE_PIECE);
        if (!client.write(piece)) await new Promise((resolve) => client.once('drain', resolve));
        sent += piece.length;
        this.bytes += piece.length;
        onProgress(sent);
      }
    }
    return true;
  }

  async statistics() {
    const client = this.#client;
    if (!client || client.destroyed) return null;
    const counters = await client.statistics();
    return { ...counters, streamBytes: this.#broadcast?.statistics.bytes ?? this.bytes, buffered: client.uplink.buffered };
  }

  /** Ends the stream and leaves; viewers get what was sent. */
  async stop() {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#backoff.cancel();
    const client = this.#client;
    this.#broadcast?.stop();
    if (!client || client.destroyed) return;
    client.end();
    if (client.treeID) await Promise.race([client.complete(), new Promise((resolve) => setTimeout(resolve, 2000))]);
    await client.leave();
  }
}
