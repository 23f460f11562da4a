// The entry of the classic script, which has its WebAssembly inside and makes the global PeerTreeClient.

import * as API from './index.js';
import { setWasmSource } from './wasm.js';
import packed from './peer-tree.wasm.gz';

setWasmSource(() => {
  const unpacked = new Blob([packed]).stream().pipeThrough(new DecompressionStream('gzip'));
  return new Response(unpacked, { headers: { 'content-type': 'application/wasm' } });
});

globalThis.PeerTreeClient = Object.assign(API.PeerTreeClient, API);
