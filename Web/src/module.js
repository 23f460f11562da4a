// The entry of the module: its WebAssembly is a file beside it. Bundlers know the address by its form.

import { setWasmSource } from './wasm.js';

setWasmSource(() => fetch(new URL(PEER_TREE_WASM, import.meta.url)));

export * from './index.js';
export { PeerTreeClient as default } from './client.js';
