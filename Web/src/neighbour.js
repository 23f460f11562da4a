import { Emitter } from './emitter.js';
import { PeerTreeError } from './errors.js';

/** A peer that feeds this one, or is fed by it. Emits `close` when it is gone. */
export class Neighbour extends Emitter {
  constructor(id, isUpstream) {
    super();
    this.id = id;
    this.isUpstream = isUpstream;
  }

  write() {
    throw new PeerTreeError('tree-mode', "This client passes the stream on by itself; use opts.mode 'original' to write to single peers.");
  }
}
