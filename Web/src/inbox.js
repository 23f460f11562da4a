// Messages on their way to the application. A lossless stream flows no faster than it is taken; of a live one, what
// nobody takes is dropped up to the next join point.

export class Inbox {
  #messages = [];
  #bytes = 0;
  #limit;
  #isDropping = false;
  #take;
  #wants;

  /**
   * @param limit how many bytes of a stream that cannot wait may lie here
   * @param wants whether the application takes another message now
   * @param take gives it one
   */
  constructor({ limit, wants, take }) {
    this.#limit = limit;
    this.#wants = wants;
    this.#take = take;
  }

  get isEmpty() {
    return this.#messages.length === 0;
  }

  /** Adds a message; false if a paced stream has overtaken its reader. */
  add(message, policy) {
    if (this.isEmpty && this.#wants()) {
      this.#take(message);
      return true;
    }
    const size = message.payload.length;
    if (this.#isDropping && message.isJoinPoint && this.#bytes <= this.#limit / 2) this.#isDropping = false;
    if (policy !== 'lossless' && (this.#isDropping || this.#bytes + size > this.#limit)) {
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
