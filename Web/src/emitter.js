/** Events by name, as pages of the original know them. */
export class Emitter {
  #handlers = new Map();
  #added;

  /** @param added called with the name when a handler was added */
  constructor(added = () => {}) {
    this.#added = added;
  }

  on(name, handler) {
    return this.#add(name, handler, false);
  }

  once(name, handler) {
    return this.#add(name, handler, true);
  }

  #add(name, handler, once) {
    if (typeof handler !== 'function') throw new TypeError(`The handler of '${name}' is not a function.`);
    this.#handlers.set(name, [...this.#of(name), { handler, once }]);
    this.#added(name);
    return this;
  }

  off(name, handler) {
    this.#handlers.set(name, this.#of(name).filter((entry) => handler && entry.handler !== handler));
    return this;
  }

  emit(name, ...values) {
    const entries = this.#of(name);
    for (const entry of entries) {
      if (entry.once) this.off(name, entry.handler);
      try {
        entry.handler.call(this, ...values);
      } catch (error) {
        // The page's fault, to be reported as such; the stream goes on.
        if (typeof reportError === 'function') reportError(error);
        else setTimeout(() => { throw error; });
      }
    }
    return entries.length > 0;
  }

  listenerCount(name) {
    return this.#of(name).length;
  }

  #of(name) {
    return this.#handlers.get(name) ?? [];
  }
}

Emitter.prototype.addListener = Emitter.prototype.on;
Emitter.prototype.removeListener = Emitter.prototype.off;
