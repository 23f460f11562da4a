// What the signalling server sends, checked: it may be another program, or lie.

export const EVENTS = [
  'simple-signal[discover]', 'simple-signal[offer]', 'simple-signal[signal]', 'simple-signal[reject]',
  'peer-tree[assign]', 'peer-tree[child-gone]', 'peer-tree[end]', 'peer-tree[tree]', 'peer-tree[error]',
  'peer-tree[ice-servers]', 'peer-tree[status]', 'peer-tree[place]',
];

const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);
const isNative = (payload) => isObject(payload.metadata) && isObject(payload.metadata.peerTree);

function string(payload, member) {
  if (typeof payload?.[member] !== 'string') throw new TypeError(member);
  return payload[member];
}

function integer(value, limit) {
  return Number.isInteger(value) && value >= 0 ? Math.min(value, limit) : 0;
}

function assignment(payload, member) {
  return {
    parent: string(payload, member), stripe: integer(payload.stripe, 255), epoch: integer(payload.epoch, 2 ** 32 - 1),
    depth: integer(payload.depth, 65_535),
  };
}

/** STUN and TURN servers, and for how many seconds the credentials are good. */
function iceServers(payload) {
  if (!Array.isArray(payload?.iceServers)) return null;
  return { servers: payload.iceServers, lifetime: integer(payload.iceServersLifetime, 2 ** 21) };
}

function discovery(payload) {
  const data = payload.discoveryData;
  if (!isObject(data)) throw new TypeError('discoveryData');
  if (typeof data.err === 'string') {
    return { kind: 'discoveryFailed', code: typeof data.code === 'string' ? data.code : null, message: data.err };
  }
  const extra = isObject(data.peerTree) ? data.peerTree : null;
  const list = (value) => (Array.isArray(value) ? value : []);
  return {
    kind: 'discovered',
    id: string(payload, 'id'),
    treeID: string(data, 'treeID'),
    peers: list(data.peers).filter((peer) => typeof peer === 'string'),
    ice: iceServers(extra),
    native: extra && {
      resume: typeof extra.resume === 'string' ? extra.resume : null,
      stripes: integer(extra.stripes, 16) || 1,
      parents: list(extra.parents).map((entry) => assignment(entry, 'id')),
    },
  };
}

/**
 * Reads an event.
 *
 * @throws TypeError with the name of the member that is missing or of the wrong type
 */
export function readEvent(name, payload) {
  if (!isObject(payload)) throw new TypeError(name);
  switch (name) {
    case 'simple-signal[discover]': return discovery(payload);
    case 'simple-signal[offer]':
      return {
        kind: 'offer', initiator: string(payload, 'initiator'), session: string(payload, 'sessionId'),
        signal: payload.signal, isNative: isNative(payload),
      };
    case 'simple-signal[signal]':
      return {
        kind: 'signal', session: string(payload, 'sessionId'), signal: payload.signal, isNative: isNative(payload),
      };
    case 'simple-signal[reject]': return { kind: 'reject', session: string(payload, 'sessionId') };
    case 'peer-tree[assign]':
      // No slot is free just now: a later assignment follows.
      return payload.parent === null ? { kind: 'none' } : { kind: 'assign', ...assignment(payload, 'parent') };
    case 'peer-tree[child-gone]': return { kind: 'childGone', id: string(payload, 'id') };
    case 'peer-tree[ice-servers]': return { kind: 'iceServers', ice: iceServers(payload) };
    case 'peer-tree[status]': return { kind: 'interval', seconds: Math.min(Number(payload.interval) || 0, 3600) };
    case 'peer-tree[place]': return { kind: 'place', depth: integer(payload.depth, 65_535) };
    case 'peer-tree[end]': return { kind: 'end' };
    case 'peer-tree[tree]': return { kind: 'tree', summary: payload };
    case 'peer-tree[error]':
      return { kind: 'refused', code: String(payload.code ?? 'error'), message: String(payload.message ?? '') };
    default: throw new TypeError(name);
  }
}
