// Which browser this is, for dashboards.

const MARKS = [['Edg/', 'Edge'], ['Firefox/', 'Firefox'], ['Chrome/', 'Chrome'], ['Version/', 'Safari']];

/** Such as `Firefox 153`; undefined where it is none of the well-known ones. */
export function agentName() {
  const text = globalThis.navigator?.userAgent ?? '';
  for (const [mark, name] of MARKS) {
    const version = text.includes(mark) ? parseInt(text.slice(text.indexOf(mark) + mark.length), 10) : NaN;
    if (version > 0) return `${name} ${version}`;
  }
  return undefined;
}
