// The link for viewers: as text, to copy, and as a QR code.

import { setText } from '../player/dom.js';
import { $ } from './dom.js';
import { encodeQR } from './qr.js';

const QUIET_ZONE = 4;

/** Draws a QR code, dark on light whatever the page's colours are: not all readers know the reverse. */
export function drawQR(canvas, text) {
  const { size, modules } = encodeQR(text);
  const whole = size + 2 * QUIET_ZONE;
  const scale = Math.max(1, Math.ceil(528 / whole));
  canvas.width = whole * scale;
  canvas.height = whole * scale;
  const context = canvas.getContext('2d');
  context.fillStyle = '#ffffff';
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.fillStyle = '#0b110e';
  modules.forEach((isDark, index) => {
    if (!isDark) return;
    const [x, y] = [index % size + QUIET_ZONE, Math.floor(index / size) + QUIET_ZONE];
    context.fillRect(x * scale, y * scale, scale, scale);
  });
}

/** @param secret of an encrypted broadcast; null for others */
export function showLink(treeID, secret) {
  const { href } = new URL(`/watch/${encodeURIComponent(treeID)}`, location.origin);
  const address = secret ? `${href}#key=${secret}` : href;
  $('link').value = address;
  drawQR($('code'), address);
  $('share').hidden = false;
}

export function setUpCopying() {
  $('link').addEventListener('focus', () => $('link').select());
  $('copy').addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText($('link').value);
    } catch {
      // Without HTTPS there is no clipboard: the selected text can be copied by hand, or by the old command.
      $('link').select();
      if (!document.execCommand('copy')) return setText($('copyText'), 'Press Ctrl+C');
    }
    setText($('copyText'), 'Copied');
    setTimeout(() => setText($('copyText'), 'Copy'), 2000);
    return undefined;
  });
}
