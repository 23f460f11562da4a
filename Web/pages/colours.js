// What a peer's colour means.

import { styleValue } from './dom.js';
import { FLAGS } from './tree-model.js';

/** The browsers first: what runs in one names itself, too. */
const PROGRAMS = [
  ['Chrome', '--blue'], ['Edge', '--blue'], ['Firefox', '--amber'], ['Safari', '--violet'], ['peer-tree', '--accent'],
];
const DEPTHS = ['--accent', '--blue', '--violet', '--amber', '--live'];

/** @returns {of(peer), legend}: the colour of a peer, and pairs of colour and meaning */
export function palette(name) {
  const text = styleValue('--text');
  const none = styleValue('--lag-none');
  const colour = Object.fromEntries(
    ['--lag-good', '--lag-fair', '--lag-bad', '--blue', '--amber', '--violet', '--accent', '--live']
      .map((variable) => [variable, styleValue(variable)]),
  );
  const withSource = (of) => (peer) => (peer.depth === 0 ? text : of(peer));
  if (name === 'browser') {
    return {
      of: withSource((peer) => colour[PROGRAMS.find(([name]) => peer.agent?.includes(name))?.[1]] ?? none),
      legend: [
        [colour['--blue'], 'Chrome, Edge'], [colour['--amber'], 'Firefox'], [colour['--violet'], 'Safari'],
        [colour['--accent'], 'peer-tree'], [none, 'others'],
      ],
    };
  }
  if (name === 'depth') {
    return {
      of: withSource((peer) => colour[DEPTHS[(peer.depth - 1) % DEPTHS.length]]),
      legend: DEPTHS.map((variable, index) => [colour[variable], `level ${index + 1}${index === 0 ? ', 6, …' : ''}`]),
    };
  }
  return {
    of: withSource((peer) => {
      if (!peer.has(FLAGS.attached)) return colour['--violet'];
      if (peer.lag === null) return none;
      return colour[peer.lag < 150 ? '--lag-good' : peer.lag < 500 ? '--lag-fair' : '--lag-bad'];
    }),
    legend: [
      [colour['--lag-good'], 'under 150 ms'], [colour['--lag-fair'], 'under 500 ms'], [colour['--lag-bad'], 'more'],
      [none, 'not reported'], [colour['--violet'], 'connecting'],
    ],
  };
}
