// What the player shows: its elements in the shadow tree, and the sentences on them. It knows no client.

import { make, show } from './dom.js';
import { icon } from './icons.js';
import css from './player.css';

let sheet = null;

/** All players share one style sheet, which no policy against inline styles hinders. */
function styleSheet() {
  sheet ??= new CSSStyleSheet();
  if (sheet.cssRules.length === 0) sheet.replaceSync(css);
  return sheet;
}

function button(id, className, label, ...children) {
  const made = make('button', { id, className, type: 'button', part: 'button' }, ...children);
  if (label) made.setAttribute('aria-label', label);
  return made;
}

function live(element) {
  element.setAttribute('role', 'status');
  element.setAttribute('aria-live', 'polite');
  return element;
}

/** Fills a shadow tree. @returns its elements by id */
export function fillStage(root) {
  root.adoptedStyleSheets = [styleSheet()];
  const video = make('video', { id: 'video', part: 'video', playsInline: true, autoplay: true, muted: true, hidden: true });
  const pulse = make('span', { id: 'pulse', className: 'pulse' });
  pulse.setAttribute('aria-hidden', 'true');
  const title = make('p', { id: 'stateTitle', className: 'state' });
  title.setAttribute('role', 'heading');
  title.setAttribute('aria-level', '2');
  const message = make('div', { id: 'empty', className: 'empty', part: 'message' }, pulse, title,
    live(make('p', { id: 'stateText' })), button('again', 'button', '', 'Try again'));
  const lines = make('ol', { id: 'lines', className: 'lines', part: 'text', tabIndex: 0 });
  lines.setAttribute('role', 'log');
  lines.setAttribute('aria-label', 'Text of the broadcast');
  const reader = make('div', { id: 'reader', className: 'reader', hidden: true }, lines);
  const downloads = make('div', { id: 'downloads', className: 'downloads', part: 'files', hidden: true },
    make('p', { className: 'caption', textContent: 'Sent to you' }), make('ul', { id: 'files' }));
  const unmute = button('unmute', 'unmute', '', icon('muted'), make('span', { textContent: 'Turn the sound on' }));
  const level = make('span', { id: 'level', className: 'place', part: 'place' });
  const controls = make('div', { id: 'controls', className: 'controls', part: 'controls', hidden: true },
    button('mute', 'round', 'Muted'), level, make('span', { className: 'grow' }), button('full', 'round', 'Full screen', icon('full')));
  const stage = make('div', { id: 'stage', className: 'stage', part: 'stage' }, video, message, reader, downloads,
    live(make('p', { id: 'notice', className: 'notice', part: 'notice', hidden: true })),
    make('span', { id: 'badge', className: 'badge', part: 'badge', hidden: true }), unmute, controls);
  root.append(stage);
  const elements = Object.fromEntries([...root.querySelectorAll('[id]')].map((element) => [element.id, element]));
  show(elements.again, false);
  show(elements.unmute, false);
  return elements;
}
