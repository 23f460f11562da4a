// Draws a tree on a canvas, and animates peers as they come, go and move. Nothing is drawn while nothing changes.

import { styleValue } from './dom.js';
import { layOut } from './layout.js';
import { palette } from './colours.js';

const EASE = 170;
const BIRTH = 450;
const DEATH = 450;
const MOVE = 2500;
/** Peers that are marked at once as gone, or as moved. */
const MARKED = 400;
/** Beyond so many peers they are drawn as squares: it looks the same at that size. */
const DETAILED = 2500;
const LIMITS = { smallest: 0.02, largest: 6 };

export class TreeView {
  order = [];
  selected = null;
  hovered = null;
  frames = { count: 0, total: 0, longest: 0 };
  #canvas;
  #overlay;
  #isStill;
  #scale = 1;
  #center = [0, 0];
  #size = [1, 1];
  #ratio = 1;
  #extent = 0;
  #ghosts = [];
  #frame = null;
  #isMoving = false;
  #lastTime = 0;
  #isFollowing = true;
  #moved = new Set();
  #colours = palette('lag');

  /** @param isStill whether people want no motion */
  constructor(canvas, overlay, isStill) {
    this.#canvas = canvas;
    this.#overlay = overlay;
    this.#isStill = isStill;
  }

  get scale() {
    return this.#scale;
  }

  resize(width, height) {
    this.#ratio = Math.min(2, devicePixelRatio || 1);
    this.#size = [width, height];
    for (const canvas of [this.#canvas, this.#overlay]) {
      canvas.width = Math.max(1, Math.round(width * this.#ratio));
      canvas.height = Math.max(1, Math.round(height * this.#ratio));
    }
    if (this.#isFollowing) this.fit();
    this.redraw();
  }

  colourBy(name) {
    this.#colours = palette(name);
    this.redraw();
    return this.#colours.legend;
  }

  /** The tree has changed: peers head for their new places. */
  update(model, { added = [], removed = [], moved = [] } = {}, now = performance.now()) {
    const { order, extent } = layOut(model.source);
    this.order = order;
    this.#extent = extent;
    // In level order a parent has its place before its children appear at it.
    if (added.length > 0 || order.some((peer) => Number.isNaN(peer.shownAngle))) {
      for (const peer of order) this.#appear(peer);
    }
    if (!this.#isStill) {
      // In a hidden page nothing is drawn, and so nothing is over: there must not be ever more.
      const room = (kept) => Math.max(0, MARKED - kept);
      for (const peer of removed.slice(0, room(this.#ghosts.length))) this.#ghosts.push({ peer, at: now });
      for (const peer of moved.slice(0, room(this.#moved.size))) this.#moved.add(peer);
    }
    if (this.selected && model.peers.get(this.selected.label) !== this.selected) this.selected = null;
    if (this.hovered && model.peers.get(this.hovered.label) !== this.hovered) this.hovered = null;
    if (this.#isFollowing) this.fit();
    this.#isMoving = true;
    this.redraw();
  }

  #appear(peer) {
    if (!Number.isNaN(peer.shownAngle)) return;
    const isSettled = this.#isStill || peer.bornAt === -Infinity || !peer.parent;
    peer.shownAngle = isSettled ? peer.angle : peer.parent.shownAngle || peer.angle;
    peer.shownRadius = isSettled ? peer.radius : peer.parent.shownRadius;
    // Around the circle the shorter way.
    if (Math.abs(peer.angle - peer.shownAngle) > Math.PI) peer.shownAngle = peer.angle;
    project(peer);
  }

  /** Shows the whole tree, and goes on doing so as it grows. */
  fit() {
    this.#isFollowing = true;
    const [width, height] = this.#size;
    const whole = 2 * this.#extent + 70;
    this.#scale = Math.max(LIMITS.smallest, Math.min(2.4, Math.min(width, height) / whole));
    this.#center = [width / 2, height / 2];
    this.redraw();
  }

  zoom(factor, x = this.#size[0] / 2, y = this.#size[1] / 2) {
    const scale = Math.max(LIMITS.smallest, Math.min(LIMITS.largest, this.#scale * factor));
    const change = scale / this.#scale;
    this.#center = [x + (this.#center[0] - x) * change, y + (this.#center[1] - y) * change];
    this.#scale = scale;
    this.#isFollowing = false;
    this.redraw();
  }

  pan(x, y) {
    this.#center = [this.#center[0] + x, this.#center[1] + y];
    this.#isFollowing = false;
    this.redraw();
  }

  /** Brings a peer into sight. */
  reveal(peer) {
    const [x, y] = this.position(peer);
    const [width, height] = this.#size;
    const margin = 40;
    const shift = (value, limit) => (value < margin ? margin - value : value > limit - margin ? limit - margin - value : 0);
    const [byX, byY] = [shift(x, width), shift(y, height)];
    if (byX || byY) this.pan(byX, byY);
  }

  position(peer) {
    return [this.#center[0] + peer.x * this.#scale, this.#center[1] + peer.y * this.#scale];
  }

  /** The peer at a place of the canvas; null if none is near. */
  peerAt(x, y, reach = 12) {
    const [treeX, treeY] = [(x - this.#center[0]) / this.#scale, (y - this.#center[1]) / this.#scale];
    let best = null;
    let nearest = (reach / this.#scale) ** 2;
    for (const peer of this.order) {
      const distance = (peer.x - treeX) ** 2 + (peer.y - treeY) ** 2;
      if (distance > nearest) continue;
      best = peer;
      nearest = distance;
    }
    return best;
  }

  point(peer) {
    if (this.hovered === peer) return;
    this.hovered = peer;
    this.#drawOverlay(performance.now());
  }

  select(peer) {
    this.selected = peer;
    this.#drawOverlay(performance.now());
  }

  redraw() {
    this.#frame ??= requestAnimationFrame((now) => this.#draw(now));
  }

  #draw(now) {
    const begin = performance.now();
    this.#frame = null;
    const elapsed = Math.min(100, Math.max(1, now - this.#lastTime));
    this.#lastTime = now;
    if (this.#isMoving) this.#isMoving = this.#move(this.#isStill ? 1 : 1 - Math.exp(-elapsed / EASE), now);
    const context = this.#canvas.getContext('2d');
    this.#transform(context);
    this.#drawLinks(context);
    this.#drawGhosts(context, now);
    this.#drawPeers(context, now);
    this.#drawOverlay(now);
    const taken = performance.now() - begin;
    this.frames.count += 1;
    this.frames.total += taken;
    this.frames.longest = Math.max(this.frames.longest, taken);
    if (this.#isMoving || this.#ghosts.length > 0 || this.#moved.size > 0) this.redraw();
  }

  /** Brings every peer nearer to its place; whether some are still on their way. */
  #move(share, now) {
    let isMoving = false;
    for (const peer of this.order) {
      const byAngle = peer.angle - peer.shownAngle;
      const byRadius = peer.radius - peer.shownRadius;
      if (Math.abs(byAngle) * (peer.radius + 1) < 0.2 && Math.abs(byRadius) < 0.2) {
        if (byAngle === 0 && byRadius === 0) continue;
        peer.shownAngle = peer.angle;
        peer.shownRadius = peer.radius;
      } else {
        peer.shownAngle += byAngle * share;
        peer.shownRadius += byRadius * share;
        isMoving = true;
      }
      project(peer);
    }
    return isMoving || this.order.some((peer) => now - peer.bornAt < BIRTH);
  }

  #transform(context) {
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, context.canvas.width, context.canvas.height);
    const scale = this.#scale * this.#ratio;
    context.setTransform(scale, 0, 0, scale, this.#center[0] * this.#ratio, this.#center[1] * this.#ratio);
  }

  #drawLinks(context) {
    const isDetailed = this.order.length <= DETAILED;
    context.beginPath();
    for (const peer of this.order) {
      const { parent } = peer;
      if (!parent) continue;
      context.moveTo(parent.x, parent.y);
      context.lineTo(peer.x, peer.y);
    }
    context.strokeStyle = styleValue('--edge');
    context.lineWidth = Math.max(isDetailed ? 1 : 0.5, 0.8 / this.#scale);
    context.globalAlpha = isDetailed ? 1 : Math.max(0.35, 1 - this.order.length / 30_000);
    context.stroke();
    context.globalAlpha = 1;
  }

  #drawPeers(context, now) {
    const isDetailed = this.order.length <= DETAILED;
    const radius = this.#peerRadius();
    const buckets = new Map();
    for (const peer of this.order) {
      const colour = this.#colours.of(peer);
      if (!buckets.has(colour)) buckets.set(colour, []);
      buckets.get(colour).push(peer);
    }
    for (const [colour, peers] of buckets) {
      context.fillStyle = colour;
      context.beginPath();
      for (const peer of peers) {
        const age = (now - peer.bornAt) / BIRTH;
        const size = (peer.depth === 0 ? radius * 2 : radius) * (age < 1 && !this.#isStill ? Math.max(0.1, age) : 1);
        if (isDetailed) {
          context.moveTo(peer.x + size, peer.y);
          context.arc(peer.x, peer.y, size, 0, Math.PI * 2);
        } else {
          context.rect(peer.x - size, peer.y - size, size * 2, size * 2);
        }
      }
      context.fill();
    }
  }

  #peerRadius() {
    return this.order.length <= DETAILED ? Math.max(4.6, 1.6 / this.#scale) : Math.max(3.4, 0.8 / this.#scale);
  }

  #drawGhosts(context, now) {
    this.#ghosts = this.#ghosts.filter(({ at }) => now - at < DEATH);
    context.fillStyle = styleValue('--repairs');
    for (const { peer, at } of this.#ghosts) {
      const share = Math.max(0, (now - at) / DEATH);
      context.globalAlpha = 1 - share;
      context.beginPath();
      context.arc(peer.x, peer.y, this.#peerRadius() * (1 + 2 * share), 0, Math.PI * 2);
      context.fill();
    }
    context.globalAlpha = 1;
  }

  /** The way from the source to the chosen peer, rings around it, and around those that have just moved. */
  #drawOverlay(now) {
    const context = this.#overlay.getContext('2d');
    this.#transform(context);
    const radius = this.#peerRadius();
    const accent = styleValue('--accent');
    for (const peer of this.#moved) {
      const share = (now - peer.movedAt) / MOVE;
      if (share >= 1 || peer.depth < 0 || !peer.parent) {
        this.#moved.delete(peer);
        continue;
      }
      context.globalAlpha = 1 - Math.max(0, share);
      this.#ring(context, peer, radius + 4 / this.#scale, styleValue('--amber'));
      this.#way(context, peer, styleValue('--amber'), true);
    }
    context.globalAlpha = 1;
    for (const peer of new Set([this.selected, this.hovered])) {
      if (!peer || peer.depth < 0) continue;
      this.#way(context, peer, accent, false);
      for (const child of peer.children) {
        context.beginPath();
        context.moveTo(peer.x, peer.y);
        context.lineTo(child.x, child.y);
        context.stroke();
      }
      this.#ring(context, peer, radius + 5 / this.#scale, accent);
    }
  }

  #way(context, peer, colour, isOneStep) {
    context.strokeStyle = colour;
    context.lineWidth = 2 / this.#scale;
    context.beginPath();
    for (let child = peer; child.parent; child = child.parent) {
      context.moveTo(child.parent.x, child.parent.y);
      context.lineTo(child.x, child.y);
      if (isOneStep) break;
    }
    context.stroke();
  }

  #ring(context, peer, radius, colour) {
    context.strokeStyle = colour;
    context.lineWidth = 2.5 / this.#scale;
    context.beginPath();
    context.arc(peer.x, peer.y, peer.depth === 0 ? radius * 1.6 : radius, 0, Math.PI * 2);
    context.stroke();
  }
}

function project(peer) {
  peer.x = Math.cos(peer.shownAngle) * peer.shownRadius;
  peer.y = Math.sin(peer.shownAngle) * peer.shownRadius;
}
