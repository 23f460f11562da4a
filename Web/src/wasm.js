// The core as WebAssembly. Where it comes from is said by the entry of each bundle, or by the page.

import { PeerTreeError } from './errors.js';

let openDefault = () => { throw new Error('this script knows of none'); };
const compiled = new Map();

/** @param open gives a response with the module, of the kind that `fetch` gives, or a promise of one */
export function setWasmSource(open) {
  openDefault = open;
}

/**
 * The compiled module, which all clients share.
 *
 * @param place an address, or what was compiled already; none for that of the bundle
 */
export function wasmModule(place) {
  if (place instanceof WebAssembly.Module) return Promise.resolve(place);
  const key = String(place ?? '');
  if (!compiled.has(key)) {
    compiled.set(key, compile(key === '' ? openDefault : () => fetch(key)).catch((error) => {
      // The next client tries again.
      compiled.delete(key);
      throw new PeerTreeError('no-wasm', `The client's WebAssembly does not load: ${error.message}. If the page keeps it `
        + 'elsewhere than beside the script, say where with opts.wasm.');
    }));
  }
  return compiled.get(key);
}

async function compile(open) {
  const response = await open();
  if (!response.ok) throw new Error(`${response.url} answers ${response.status}`);
  // Only under its own type do browsers compile it while it comes.
  const isTyped = response.headers.get('content-type')?.startsWith('application/wasm');
  return isTyped ? WebAssembly.compileStreaming(response) : WebAssembly.compile(await response.arrayBuffer());
}
