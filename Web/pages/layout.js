// A radial layout: the source in the middle, a ring for each level, every subtree in a sector as wide as its leaves. A
// level with more peers than its ring has room for is laid out in several lanes. O(peers).

/** Least distance between two peers of a lane, and between two lanes. */
const SPACING = 13;
const RING_GAP = 64;
const MOST_LANES = 200;
/** No sector below the first level is wider: the children of a lone peer stay on its side. */
const WIDEST = Math.PI * 0.9;

/**
 * Gives every peer that hangs under the source a depth, an angle and a radius.
 *
 * @returns {order, extent}: the peers level by level, and the radius of the outermost
 */
export function layOut(source) {
  if (!source) return { order: [], extent: 0 };
  const order = levels(source);
  for (const peer of order) {
    peer.leaves = peer.children.length === 0 ? 1 : 0;
    peer.subtree = 1;
  }
  for (let index = order.length - 1; index > 0; index--) {
    const { parent, leaves, subtree } = order[index];
    parent.leaves += leaves;
    parent.subtree += subtree;
  }
  spread(order);
  return { order, extent: place(order) };
}

/** Breadth first. Peers that do not hang under the source are not in it. */
function levels(source) {
  source.depth = 0;
  const order = [source];
  for (let index = 0; index < order.length; index++) {
    const peer = order[index];
    for (const child of peer.children) {
      child.depth = peer.depth + 1;
      order.push(child);
    }
  }
  return order;
}

function spread([source, ...rest]) {
  source.angle = 0;
  source.sectorStart = -Math.PI / 2;
  source.sectorWidth = Math.PI * 2;
  share(source, source.sectorWidth);
  for (const peer of rest) share(peer, WIDEST);
}

/** Divides the sector of a peer among its children. */
function share(peer, widest) {
  const width = Math.min(peer.sectorWidth, widest);
  let start = peer.sectorStart + (peer.sectorWidth - width) / 2;
  for (const child of peer.children) {
    child.sectorStart = start;
    child.sectorWidth = width * child.leaves / peer.leaves;
    child.angle = start + child.sectorWidth / 2;
    start += child.sectorWidth;
  }
}

/** Breadth-first order within a level is the order of the angles: neighbours take the lanes by turns. */
function place(order) {
  order[0].radius = 0;
  let first = 1;
  let inner = 0;
  let extent = 0;
  while (first < order.length) {
    let end = first;
    let width = 0;
    for (; end < order.length && order[end].depth === order[first].depth; end++) width += order[end].sectorWidth;
    inner += RING_GAP;
    const lanes = lanesFor(end - first, width, inner);
    for (let index = first; index < end; index++) order[index].radius = inner + ((index - first) % lanes) * SPACING;
    extent = inner + (lanes - 1) * SPACING;
    inner = extent;
    first = end;
  }
  return extent;
}

/** How many lanes hold so many peers whose sectors are so wide together: a level may fill but a part of its ring. */
function lanesFor(count, width, inner) {
  let room = 0;
  for (let lanes = 1; ; lanes++) {
    room += width * (inner + (lanes - 1) * SPACING) / SPACING;
    if (room >= count || lanes === MOST_LANES) return lanes;
  }
}
