// Clocks for the engine. Browsers slow the timers of hidden pages down to one a second or less, but not those of
// workers: on a page the engine borrows the timers of a worker.

/** The timers of the place where this runs. */
export function ownClock() {
  return {
    now: () => performance.now(),
    soon: (callback) => queueMicrotask(callback),
    after: (milliseconds, callback) => setTimeout(callback, milliseconds),
    cancel: (timer) => clearTimeout(timer),
  };
}

/** The timers of a worker that runs `serveClock`. */
export function borrowedClock(worker) {
  const waiting = new Map();
  let next = 1;
  worker.onmessage = ({ data }) => {
    const callback = waiting.get(data);
    waiting.delete(data);
    callback?.();
  };
  return {
    ...ownClock(),
    after: (milliseconds, callback) => {
      const timer = next++;
      waiting.set(timer, callback);
      worker.postMessage([timer, milliseconds]);
      return timer;
    },
    cancel: (timer) => waiting.delete(timer),
    stop: () => worker.terminate(),
  };
}

/** In the worker: sends each timer's number back when it is due. */
export function serveClock(scope) {
  scope.onmessage = ({ data: [timer, milliseconds] }) => setTimeout(() => scope.postMessage(timer), milliseconds);
  scope.postMessage('ready');
}
