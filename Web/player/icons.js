// Line drawings on a grid of 24.

const SHAPES = {
  camera: 'M3 7.5A1.5 1.5 0 0 1 4.5 6h9A1.5 1.5 0 0 1 15 7.500v9a1.5 1.5 0 0 1-1.5 1.500h-9A1.5 1.5 0 0 1 3 16.500zM15 10.500l6-3.500v10l-6-3.5',
  screen: 'M3 5.500A1.5 1.5 0 0 1 4.5 4h15A1.5 1.5 0 0 1 21 5.500v9a1.5 1.5 0 0 1-1.5 1.500h-15A1.5 1.5 0 0 1 3 14.500zM12 16v4M8 20h8',
  file: 'M6 3.500h8l4 4V20.500H6zM14 3.500v4h4M9.5 13h5M9.5 16.500h5',
  text: 'M4 5h16v11h-9l-4 3.500V16H4zM8 9h8M8 12h5',
  copy: 'M9 9h11v11H9zM5 15H4V4h11v1',
  check: 'M5 12.500l4.5 4.500L19 7.5',
  muted: 'M4 9.500v5h3.500L12 18.500v-13L7.5 9.500zM16 9.500l5 5M21 9.500l-5 5',
  sound: 'M4 9.500v5h3.500L12 18.500v-13L7.5 9.500zM15.5 9a4.5 4.5 0 0 1 0 6M18 6.500a8 8 0 0 1 0 11',
  full: 'M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5',
  stop: 'M6.5 6.500h11v11h-11z',
  down: 'M12 4v11M7.5 11l4.5 4.5 4.5-4.500M5 20h14',
  send: 'M4 12l16-7.5-5.5 15-3-6z',
  plus: 'M12 5v14M5 12h14',
  minus: 'M5 12h14',
  fit: 'M9 4H4v5M4 4l6 6M15 20h5v-5M20 20l-6-6',
};
const SPACE = 'http://www.w3.org/2000/svg';

export function icon(name) {
  const drawing = document.createElementNS(SPACE, 'svg');
  drawing.setAttribute('viewBox', '0 0 24 24');
  drawing.setAttribute('class', 'icon');
  drawing.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS(SPACE, 'path');
  path.setAttribute('d', SHAPES[name]);
  drawing.append(path);
  return drawing;
}

/** Draws the icons that the markup of a page asks for. */
export function drawIcons() {
  for (const place of document.querySelectorAll('[data-icon]')) place.prepend(icon(place.dataset.icon));
}
