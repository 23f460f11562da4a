// The engine's end of the conversation between the page and its worker: every message is a method and its arguments.

import { ownClock, serveClock } from './clock.js';
import { Engine } from './engine.js';

export const ENGINE_WORKER = 'peer-tree-engine';
export const CLOCK_WORKER = 'peer-tree-clock';

/** Starts what this worker was made for; nothing in a worker that is not ours. */
export function serveWorker(scope) {
  if (scope.name === CLOCK_WORKER) serveClock(scope);
  if (scope.name === ENGINE_WORKER) serveEngine(scope);
}

function serveEngine(scope) {
  const emit = (name, ...values) => {
    const transfer = name === 'deliver' ? [values[0].payload.buffer] : [];
    scope.postMessage([name, ...values], transfer);
  };
  let engine = null;
  // Calls that come while the module is compiled wait for it, in their order.
  let ready = Promise.resolve();
  const perform = (method, values) => {
    if (method !== 'make') return engine?.[method](...values);
    ready = Engine.make(values[0], emit, ownClock()).then(
      (made) => {
        engine = made;
        ready = null;
        emit('ready');
      },
      (error) => emit('failed', String(error?.message ?? error)),
    );
    return undefined;
  };
  scope.onmessage = ({ data: [method, ...values] }) => {
    // The handlers of a data channel must be set in the task that brought it.
    if (ready === null || method === 'make') perform(method, values);
    else ready.then(() => perform(method, values));
  };
}
