// When a frame is shown: the adaptive jitter buffer. One for all tracks, so that they stay in time with each other.

const WINDOW = 4000;
const MAXIMUM_DELAY = 500;
/** In how many seconds the delay falls to a third when arrivals are even. */
const FALL = 6;

export class Playout {
  isLive = true;
  delay = 0;
  #offset = null;
  #windows = [];
  #last = 0;

  /** A frame with this media time (microseconds) came at `now` (milliseconds). */
  arrived(timestamp, now) {
    const offset = now - timestamp / 1000;
    if (!this.isLive) {
      this.#offset ??= offset;
      return;
    }
    // The quickest frame of the last seconds is the one without jitter.
    const current = this.#windows[0];
    if (!current || now - current.begin > WINDOW / 2) {
      this.#windows = [{ begin: now, offset }, ...this.#windows.slice(0, 2)];
    } else {
      current.offset = Math.min(current.offset, offset);
    }
    this.#offset = Math.min(...this.#windows.map((window) => window.offset));
    const elapsed = this.#last > 0 ? (now - this.#last) / 1000 : 0;
    this.#last = now;
    const late = Math.min(MAXIMUM_DELAY, offset - this.#offset);
    // A burst after joining is no jitter: the first second only finds the offset.
    const isSettled = this.#windows.length > 1;
    const fallen = this.delay * Math.exp(-elapsed / FALL);
    this.delay = isSettled ? Math.max(fallen, late) : fallen;
  }

  /** When a frame is to be shown, in the time of `performance.now()`. */
  due(timestamp) {
    return (this.#offset ?? performance.now()) + timestamp / 1000 + this.delay;
  }
}
