/** Events by name, as pages of the original know them. */
export class Emitter {
  #handlers = new Map();

  on(name, handler) {
    if (typeof handler !== 'function') throw new TypeError(`The handler of '${name}' is not a function.`);
    this.#handlers.set(name, [...this.handlers(name), { handler, once: false }]);
    this.handlerAdded(name);
    return this;
  }

  once(name, handler) {
    this.#handlers.set(name, [...this.handlers(name), { handler, once: true }]);
    this.handlerAdded(name);
    return this;
  }

  off(name, handler) {
    this.#handlers.set(name, this.handlers(name).filter((entry) => handler && entry.handler !== handler));
    return this;
  }

  emit(name, ...values) {
    const entries = this.handlers(name);
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
    return this.handlers(name).length;
  }

  /** Called when a handler was added. */
  handlerAdded() {}

  handlers(name) {
    return this.#handlers.get(name) ?? [];
  }
}

Emitter.prototype.addListener = Emitter.prototype.on;
Emitter.prototype.removeListener = Emitter.prototype.off;
