// The tree as the server tells of it: changes come in, peers with parents and children are kept. A change costs the peers
// that it is about.

export const FLAGS = { native: 1, connected: 2, attached: 4 };

export class Peer {
  parents = [];
  parent = null;
  children = [];
  flags = 0;
  rate = null;
  lag = null;
  roundTrip = null;
  agent = null;
  // Of the layout.
  depth = -1;
  leaves = 1;
  subtree = 1;
  angle = 0;
  radius = 0;
  // Of the drawing: where it is shown at present.
  shownAngle = NaN;
  shownRadius = 0;
  x = 0;
  y = 0;
  bornAt = 0;
  movedAt = -Infinity;

  constructor(label) {
    this.label = label;
  }

  has(flag) {
    return (this.flags & flag) !== 0;
  }

  get program() {
    return this.agent ?? (this.has(FLAGS.native) ? 'not named' : 'original client');
  }
}

export class TreeModel {
  peers = new Map();
  sourceLabel = null;
  viewers = 0;
  activity = { joins: 0, leaves: 0, repairs: 0, moves: 0, forgeries: 0 };
  isComplete = false;
  stripes = 1;
  stripe = 0;
  sequence = 0;
  #waiting = new Map();

  /** Begins with another tree, or with the same one anew. */
  reset({ source, stripes }) {
    this.peers.clear();
    this.#waiting.clear();
    this.sourceLabel = source;
    this.stripes = Math.max(1, Math.min(16, stripes));
    this.stripe = Math.min(this.stripe, this.stripes - 1);
    this.viewers = 0;
    this.sequence = 0;
    this.isComplete = false;
  }

  get source() {
    return this.peers.get(this.sourceLabel) ?? null;
  }

  /**
   * Takes in one batch of changes.
   *
   * @returns {moved, added, removed}: peers with another parent, new ones, and those that are no more
   * @throws Error if a batch is missing
   */
  apply({ seq, viewers, activity, complete, gone, peers }, now) {
    if (seq !== this.sequence + 1) throw new Error(`Batch ${seq} came after ${this.sequence}.`);
    this.sequence = seq;
    this.viewers = viewers;
    this.activity = activity;
    const result = { moved: [], added: [], removed: [], isReshaped: false };
    for (const label of gone) {
      const peer = this.peers.get(label);
      if (!peer) continue;
      this.#remove(peer);
      result.removed.push(peer);
    }
    for (const row of peers) this.#put(row, now, result);
    this.isComplete ||= complete;
    result.isReshaped = result.removed.length > 0 || result.added.length > 0 || result.moved.length > 0;
    return result;
  }

  #put([label, parents, flags, rate, lag, roundTrip, agent], now, result) {
    let peer = this.peers.get(label);
    const isNew = !peer;
    if (isNew) {
      peer = new Peer(label);
      peer.bornAt = this.isComplete ? now : -Infinity;
      this.peers.set(label, peer);
      result.added.push(peer);
    }
    Object.assign(peer, { flags, rate, lag, roundTrip, agent, parents });
    const before = peer.parent;
    this.#link(peer);
    if (!isNew && peer.parent !== before) {
      peer.movedAt = now;
      result.moved.push(peer);
    }
    const waiting = isNew && this.#waiting.get(label);
    if (!waiting) return;
    this.#waiting.delete(label);
    for (const child of waiting) {
      if (this.peers.get(child.label) === child) this.#link(child);
    }
  }

  /** Hangs a peer under its parent, or lets it wait for one that is not known yet. */
  #link(peer) {
    const label = peer.parents[this.stripe] ?? null;
    if (peer.parent ? peer.parent.label === label : label === null) return;
    this.#unlink(peer);
    if (label === null) return;
    const parent = this.peers.get(label);
    if (parent) {
      peer.parent = parent;
      parent.children.push(peer);
    } else {
      if (!this.#waiting.has(label)) this.#waiting.set(label, new Set());
      this.#waiting.get(label).add(peer);
    }
  }

  #unlink(peer) {
    if (!peer.parent) return;
    const { children } = peer.parent;
    children.splice(children.indexOf(peer), 1);
    peer.parent = null;
  }

  #remove(peer) {
    this.#unlink(peer);
    this.peers.delete(peer.label);
    for (const child of [...peer.children]) {
      child.parent = null;
      if (child.parents[this.stripe] !== peer.label) continue;
      if (!this.#waiting.has(peer.label)) this.#waiting.set(peer.label, new Set());
      this.#waiting.get(peer.label).add(child);
    }
    peer.children = [];
  }

  /** Shows the tree of another stripe. */
  choose(stripe) {
    this.stripe = Math.max(0, Math.min(this.stripes - 1, stripe));
    this.#waiting.clear();
    for (const peer of this.peers.values()) {
      peer.parent = null;
      peer.children = [];
    }
    for (const peer of this.peers.values()) this.#link(peer);
  }
}

/** Figures of a whole tree, from what its peers say of themselves; nothing is guessed. */
export function summarize(model, order) {
  const depths = [];
  const lags = [];
  let relayed = 0;
  let hasRates = false;
  for (const peer of order) {
    if (peer.depth === 0) continue;
    depths[peer.depth] = (depths[peer.depth] ?? 0) + 1;
    if (peer.lag !== null) lags.push(peer.lag);
    if (peer.rate === null) continue;
    hasRates = true;
    if (peer.depth > 1) relayed += peer.rate;
  }
  lags.sort((a, b) => a - b);
  return {
    depths: Array.from(depths, (value) => value ?? 0),
    median: lags.length > 0 ? lags[lags.length >> 1] : null,
    relayed: hasRates ? relayed : null,
    unplaced: model.peers.size - order.length,
  };
}
