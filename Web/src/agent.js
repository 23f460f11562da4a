// What this client is and which browser it runs in, for dashboards.

/** The version of the client. */
export const VERSION = PEER_TREE_VERSION;

const MARKS = [['Edg/', 'Edge'], ['Firefox/', 'Firefox'], ['Chrome/', 'Chrome'], ['Version/', 'Safari']];

/** Such as `peer-tree/1.2.3 Firefox/153`; without a browser where it is none of the well-known ones. */
export function agentName() {
  const text = globalThis.navigator?.userAgent ?? '';
  for (const [mark, name] of MARKS) {
    const version = text.includes(mark) ? parseInt(text.slice(text.indexOf(mark) + mark.length), 10) : NaN;
    if (version > 0) return `peer-tree/${VERSION} ${name}/${version}`;
  }
  return `peer-tree/${VERSION}`;
}
