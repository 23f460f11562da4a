// The page that watches a broadcast: the player, and what it tells of itself.

import '/peer-tree-player.js';
import { make, setText, show } from '../player/dom.js';
import { bitRate, codecName, count, milliseconds, plural } from '../player/format.js';
import { $, fragmentValue } from './dom.js';

/** Between source and viewer, as many levels are drawn one by one. */
const DRAWN_HOPS = 6;
const DETAILS = {
  none: '', media: '', text: 'The source writes; you read along.', file: 'Files are kept on this page until you save them.',
};

const player = $('player');
let drawnPlace = '';

function showCatalog({ title }) {
  show($('title'), title !== '');
  setText($('title'), title);
  document.title = `${title || 'Watch'} - peer-tree`;
}

function showFigures(figures) {
  setPlace(figures);
  if (!figures) return;
  const { received, sent, children, roundTrip, latency, framesDropped, width, height, codec } = figures;
  const isKnown = received !== null;
  if (isKnown) setText($('received'), bitRate(received));
  if (isKnown) setText($('passed'), children > 0 ? bitRate(sent) : 'nothing yet');
  setText($('children'), count(children));
  setText($('roundTrip'), milliseconds(roundTrip));
  setText($('latency'), milliseconds(latency));
  setText($('dropped'), count(framesDropped));
  const { content } = player;
  for (const figure of document.querySelectorAll('.is-media')) show(figure, content !== 'text' && content !== 'file');
  if (content === 'media') setText($('detail'), width ? `${width} × ${height}${codec ? `, ${codecName(codec)}` : ''}` : '');
}

/** Who feeds this viewer. */
function feeders(parents, depth) {
  const names = parents.map((id) => id.slice(0, 6)).join(', ');
  if (parents.length > 1) return `You are fed by ${parents.length} others, ${names}`;
  return depth === 1 ? 'The source feeds you' : `You are fed by another viewer, ${names}`;
}

/** Draws the way from the source to this viewer, and whom it feeds. */
function setPlace(figures) {
  const { parents = [], depth = null, children = 0 } = figures ?? {};
  const key = parents.length > 0 ? `${depth} ${parents} ${children}` : '';
  if (key === drawnPlace) return;
  drawnPlace = key;
  if (parents.length === 0) {
    $('place').replaceChildren(make('p', { className: 'hint', textContent: 'Not in the tree at present.' }));
    return;
  }
  const chain = make('div', { className: 'chain' });
  chain.setAttribute('aria-hidden', 'true');
  const add = (text, name = '') => {
    if (chain.childElementCount > 0) chain.append(make('span', { className: 'step' }));
    chain.append(make('span', { className: `node ${name}`, textContent: text }));
  };
  add('Source');
  const hops = Math.max(0, (depth ?? 1) - 1);
  if (hops > DRAWN_HOPS) add(plural(hops, 'viewer'), 'is-hop');
  else for (let hop = 1; hop <= hops; hop++) add('Viewer', 'is-hop');
  add('You', 'is-you');
  if (children > 0) add(plural(children, 'viewer'), 'is-hop');
  const level = depth === null ? '' : `Level ${depth}. `;
  const below = children > 0 ? `, and you feed ${plural(children, 'viewer')}.` : '; nobody is below you yet.';
  $('place').replaceChildren(chain, make('p', { className: 'hint', textContent: `${level}${feeders(parents, depth)}${below}` }));
}

/** A broken escape in the address must not stop the page. */
function treeOf(path) {
  const text = path.split('/')[2] ?? '';
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

player.addEventListener('catalog', ({ detail }) => showCatalog(detail));
player.addEventListener('figures', ({ detail }) => showFigures(detail));
player.addEventListener('contentchange', ({ detail }) => setText($('detail'), DETAILS[detail.content]));
// The page is the player's alone: its keys are heard everywhere.
addEventListener('keydown', (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === 'm') player.muted = !player.muted;
  if (event.key === 'f') player.toggleFullscreen();
});
player.token = fragmentValue('token');
player.secret = fragmentValue('key');
player.tree = treeOf(location.pathname);
