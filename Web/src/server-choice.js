// Which of several servers a client goes to: each in an order of its own, drawn at random, so that neither the clients of a
// cluster nor those of a node that died all go to the same one. The counterpart of the native client's ServerChoice.

export class ServerChoice {
  #servers;
  #position = 0;
  /** Since a server last let the client in, or the last round was over. */
  #failures = [];
  /** In how many rounds in a row no server let the client in. */
  failedRounds = 0;

  /** @param servers at least one */
  constructor(servers) {
    this.#servers = servers.map((server) => ({ server, key: Math.random() })).sort((a, b) => a.key - b.key);
  }

  get current() {
    return this.#servers[this.#position].server;
  }

  /**
   * The current one did not let the client in.
   *
   * @returns once all have failed, {server, reason} of each: it is time to wait. Else null: the next is to be tried at once
   */
  fail(reason) {
    this.#failures.push({ server: this.current, reason });
    this.#advance();
    if (this.#failures.length < this.#servers.length) return null;
    this.failedRounds += 1;
    return this.#failures.splice(0);
  }

  /** The current one has let the client in. */
  succeed() {
    this.#failures = [];
    this.failedRounds = 0;
  }

  /** The connection to the current one, which had let the client in, is gone: the others come first. */
  lose() {
    this.#advance();
  }

  #advance() {
    this.#position = (this.#position + 1) % this.#servers.length;
  }
}
