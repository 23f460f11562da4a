// Trying again, at longer and longer intervals.

/** Calls back in one, two, four … up to `longest` seconds, by turns. */
export class Backoff {
  #first;
  #longest;
  #next;
  #timer = null;

  constructor(first = 1, longest = 15) {
    [this.#first, this.#longest, this.#next] = [first, longest, first];
  }

  get isWaiting() {
    return this.#timer !== null;
  }

  wait(callback) {
    this.cancel();
    this.#timer = setTimeout(() => {
      this.#timer = null;
      callback();
    }, this.#next * 1000 * (0.8 + Math.random() * 0.4));
    this.#next = Math.min(this.#longest, this.#next * 2);
  }

  cancel() {
    clearTimeout(this.#timer);
    this.#timer = null;
  }

  reset() {
    this.cancel();
    this.#next = this.#first;
  }
}
