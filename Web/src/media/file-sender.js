// A file at the source: a description of it, then its bytes as they are. Documentation/PeerTree.docc/Media.md.

import { KEYS } from './format.js';

const PIECE = 65_536;

/** A broadcast of a Blob. Made by `client.broadcast`. */
export class FileSender {
  /** Resolves with the tree's id once viewers may come. */
  started;
  /** Resolves when all is written, or the broadcast was stopped. */
  finished;
  statistics = { bytes: 0 };
  #client;
  #isStopped = false;
  #settle;

  constructor(client, file, { name = file.name, type = file.type } = {}) {
    this.#client = client;
    this.statistics.size = file.size;
    this.finished = new Promise((resolve) => { this.#settle = resolve; });
    this.started = client.treeID ? Promise.resolve(client.treeID) : client.create({ policy: 'lossless' });
    this.started.then(() => this.#send(file, JSON.stringify({ content: 1, name, type: type || undefined, size: file.size })))
      .catch((error) => {
        this.statistics.error = error.message;
        this.stop();
      });
  }

  async #send(file, description) {
    const client = this.#client;
    // Without a viewer nothing holds the stream back, and its beginning would be gone when the first one comes.
    if (client.neighbours.length === 0) await new Promise((resolve) => client.once('downstreamPeer', resolve));
    client.write(description, { key: KEYS.content });
    for (let at = 0; at < file.size && !this.#isStopped; at += PIECE) {
      const piece = await file.slice(at, at + PIECE).arrayBuffer();
      if (this.#isStopped) return;
      this.statistics.bytes += piece.byteLength;
      if (!client.write(piece)) await new Promise((resolve) => client.once('drain', resolve));
    }
    this.stop();
  }

  /** Ends the stream where it stands. */
  stop() {
    if (this.#isStopped) return;
    this.#isStopped = true;
    if (this.#client.treeID && !this.#client.destroyed) this.#client.end();
    this.#settle();
  }
}
