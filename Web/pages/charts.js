// Small charts on canvases, in the colours of the page.

import { styleValue } from './dom.js';
import { count } from '../player/format.js';

const FONT = '500 11px system-ui, sans-serif';

function begin(canvas) {
  const ratio = Math.min(2, devicePixelRatio || 1);
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  canvas.width = Math.max(1, Math.round(width * ratio));
  canvas.height = Math.max(1, Math.round(height * ratio));
  const context = canvas.getContext('2d');
  context.scale(ratio, ratio);
  context.font = FONT;
  context.fillStyle = styleValue('--muted');
  context.strokeStyle = styleValue('--line');
  return { context, width, height };
}

/** Bars side by side: how many viewers each level has. */
export function drawDepths(canvas, depths) {
  const { context, width, height } = begin(canvas);
  const levels = depths.slice(1);
  canvas.setAttribute('aria-label', levels.map((value, index) => `level ${index + 1}: ${value}`).join(', ') || 'no viewers');
  if (levels.length === 0) return context.fillText('No viewers yet.', 0, height / 2);
  const most = Math.max(...levels, 1);
  const step = Math.min(46, width / levels.length);
  const room = height - 32;
  const muted = context.fillStyle;
  context.textAlign = 'center';
  levels.forEach((value, index) => {
    const [x, bar] = [index * step, Math.max(value > 0 ? 2 : 0, room * value / most)];
    context.fillStyle = styleValue('--accent');
    context.beginPath();
    context.roundRect(x + step * 0.14, 16 + room - bar, step * 0.72, bar, [3, 3, 0, 0]);
    context.fill();
    context.fillStyle = muted;
    if (levels.length <= 24 || index % 5 === 0) context.fillText(String(index + 1), x + step / 2, height - 3);
    if (step >= 26) context.fillText(value >= 10_000 ? `${Math.round(value / 1000)}k` : count(value), x + step / 2, 12 + room - bar);
  });
  return undefined;
}

/** Counts a second over the last two minutes. */
export class History {
  #seconds = 120;
  #series = new Map([['joins', []], ['leaves', []], ['repairs', []]]);
  #last = null;
  #second = 0;

  /** Takes the counters as they stand at a time in milliseconds. */
  take(counters, now) {
    const second = Math.floor(now / 1000);
    if (!this.#last) this.#second = second;
    while (this.#second < second) {
      this.#second += 1;
      for (const values of this.#series.values()) {
        values.push(0);
        if (values.length > this.#seconds) values.shift();
      }
    }
    for (const [name, values] of this.#series) {
      if (values.length === 0) values.push(0);
      if (this.#last) values[values.length - 1] += Math.max(0, counters[name] - this.#last[name]);
    }
    this.#last = { ...counters };
  }

  /** The sums over the whole time. */
  get sums() {
    return Object.fromEntries([...this.#series].map(([name, values]) => [name, values.reduce((sum, value) => sum + value, 0)]));
  }

  draw(canvas) {
    const { context, width, height } = begin(canvas);
    const { sums } = this;
    canvas.setAttribute('aria-label', `In two minutes: ${sums.joins} joins, ${sums.leaves} departures, ${sums.repairs} repairs`);
    const most = Math.max(4, ...[...this.#series.values()].flat());
    const [top, bottom] = [14, height - 2];
    context.fillText(`${count(most)}/s`, 0, 10);
    context.beginPath();
    context.moveTo(0, bottom + 0.5);
    context.lineTo(width, bottom + 0.5);
    context.stroke();
    for (const [name, values] of this.#series) {
      const colour = styleValue(`--${name}`);
      const x = (index) => width - (values.length - 1 - index) * width / (this.#seconds - 1);
      const y = (value) => bottom - (bottom - top) * value / most;
      context.strokeStyle = colour;
      context.lineWidth = 1.75;
      context.lineJoin = 'round';
      context.beginPath();
      values.forEach((value, index) => context.lineTo(x(index), y(value)));
      context.stroke();
      if (name !== 'joins' || values.length === 0) continue;
      context.lineTo(width, bottom);
      context.lineTo(x(0), bottom);
      context.fillStyle = colour;
      context.globalAlpha = 0.14;
      context.fill();
      context.globalAlpha = 1;
    }
  }
}
