// When a frame is shown: the adaptive jitter buffer. One for all tracks, so that they stay in time with each other.

const WINDOW = 4000;
const MAXIMUM_DELAY = 500;
/** How many of the last arrivals tell how uneven they are. */
const ARRIVALS = 128;
/** A picture that comes too late is shown late; sound that comes too late is a gap: it is waited for. */
const SHARE = 0.95;
const SHARE_WITH_SOUND = 0.995;

export class Playout {
  isLive = true;
  hasSound = false;
  /** Milliseconds by which frames are held back so that this share of them is in time. */
  delay = 0;
  #offset = null;
  #windows = [];
  #lateness = [];

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
    // A burst after joining is no jitter: the first seconds only find the offset.
    if (this.#windows.length < 2) return;
    this.#lateness.push(Math.min(MAXIMUM_DELAY, offset - this.#offset));
    if (this.#lateness.length > ARRIVALS) this.#lateness.shift();
    const sorted = [...this.#lateness].sort((one, other) => one - other);
    this.delay = sorted[Math.floor((this.hasSound ? SHARE_WITH_SOUND : SHARE) * (sorted.length - 1))];
  }

  /** When a frame is to be shown, in the time of `performance.now()`. */
  due(timestamp) {
    return (this.#offset ?? performance.now()) + timestamp / 1000 + this.delay;
  }
}
