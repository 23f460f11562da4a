// Messages on their way to the application. A lossless stream flows no faster than it is taken; of a live one, what
// nobody takes is dropped up to the next join point.

export class Inbox {
  #messages = [];
  #bytes = 0;
  #limit;
  #losslessLimit;
  #isDropping = false;
  #take;
  #wants;

  /**
   * @param limit how many bytes may lie here: of a live stream, what is beyond is dropped; any other fails
   * @param losslessLimit the same of a lossless stream, which waits for its reader if its parents keep to their credit
   * @param wants whether the application takes another message now
   * @param take gives it one
   */
  constructor({ limit, losslessLimit, wants, take }) {
    this.#limit = limit;
    this.#losslessLimit = losslessLimit;
    this.#wants = wants;
    this.#take = take;
  }

  get isEmpty() {
    return this.#messages.length === 0;
  }

  /** Adds a message; false if the stream has overtaken its reader, which a lossless one does only if a parent cheats. */
  add(message, policy) {
    if (this.isEmpty && this.#wants()) {
      this.#take(message);
      return true;
    }
    const size = message.payload.length;
    if (this.#isDropping && message.isJoinPoint && this.#bytes <= this.#limit / 2) this.#isDropping = false;
    const limit = policy === 'lossless' ? this.#losslessLimit : this.#limit;
    if (this.#isDropping || this.#bytes + size > limit) {
      this.#isDropping = policy === 'live';
      return policy === 'live';
    }
    this.#messages.push(message);
    this.#bytes += size;
    return true;
  }

  /** Hands out what the application now takes. */
  flush() {
    while (!this.isEmpty && this.#wants()) {
      const message = this.#messages.shift();
      this.#bytes -= message.payload.length;
      this.#take(message);
    }
  }

  clear() {
    this.#messages = [];
    this.#bytes = 0;
  }
}
