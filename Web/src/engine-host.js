// Finds the engine a place: the page, with a worker's timers; the page alone where there are no workers; or, if the
// application insists, a worker with the data channels. The last is not the default, because in Chromium children whose
// channels had been moved were seen to be left without the stream.

import { borrowedClock, ownClock } from './clock.js';
import { CLOCK_WORKER, ENGINE_WORKER } from './engine-worker.js';
import { Engine } from './engine.js';
import { wasmModule } from './wasm.js';
import workerScript from './worker-script.txt';

const START_TIMEOUT = 5000;

/**
 * Starts an engine.
 *
 * @param options those of `Engine.make`
 * @param placement 'worker' to move the engine and its channels there; otherwise the page
 * @returns the engine, or a stand-in with the same methods; `placement` says where it runs
 */
export async function startEngine(options, emit, placement) {
  if (placement === 'worker') {
    const wasm = await wasmModule(options.wasm);
    const engine = channelsCanMove() ? await startInWorker({ ...options, wasm }, emit) : null;
    if (!engine) throw new Error('The engine cannot run in a worker here.');
    return engine;
  }
  const starting = startWorker(CLOCK_WORKER);
  const wasm = await wasmModule(options.wasm).catch((error) => {
    starting.then((worker) => worker?.terminate());
    throw error;
  });
  const clockWorker = await starting;
  const clock = clockWorker ? borrowedClock(clockWorker) : ownClock();
  const engine = await Engine.make({ ...options, wasm }, emit, clock).catch((error) => {
    clock.stop?.();
    throw error;
  });
  engine.placement = clockWorker ? 'page' : 'page without a worker';
  const stop = engine.stop.bind(engine);
  engine.stop = () => {
    stop();
    clock.stop?.();
  };
  return engine;
}

/** Whether this browser hands data channels over to workers. */
function channelsCanMove() {
  const connection = new RTCPeerConnection();
  const { port1 } = new MessageChannel();
  try {
    const channel = connection.createDataChannel('');
    port1.postMessage(channel, [channel]);
    return true;
  } catch {
    return false;
  } finally {
    connection.close();
    port1.close();
  }
}

async function startInWorker(options, emit) {
  const worker = await startWorker(ENGINE_WORKER, (worker) => worker.postMessage(['make', options]));
  if (!worker) return null;
  worker.onmessage = ({ data: [name, ...values] }) => emit(name, ...values);
  return new Proxy({ placement: 'worker' }, {
    get(target, method) {
      if (method in target || typeof method === 'symbol' || method === 'then') return target[method];
      if (method === 'stop') return () => worker.terminate();
      return (...values) => worker.postMessage([method, ...values], transfers(method, values));
    },
  });
}

function transfers(method, values) {
  if (method === 'adopt') return [values[1]];
  if (method === 'write') return [values[0].buffer];
  return [];
}

/** A worker that has said something, or null if none comes about. */
function startWorker(name, begin = () => {}) {
  return new Promise((resolve) => {
    let worker = null;
    // A page has this script wherever it comes from, and whatever it was bundled with.
    const address = URL.createObjectURL(new Blob([workerScript], { type: 'text/javascript' }));
    const settle = (result) => {
      clearTimeout(timer);
      URL.revokeObjectURL(address);
      if (!result) worker?.terminate();
      resolve(result);
    };
    const timer = setTimeout(() => settle(null), START_TIMEOUT);
    try {
      worker = new Worker(address, { name });
      worker.onmessage = ({ data }) => settle(data === 'ready' || data[0] === 'ready' ? worker : null);
      worker.onerror = (event) => {
        event.preventDefault();
        settle(null);
      };
      begin(worker);
    } catch {
      settle(null);
    }
  });
}
