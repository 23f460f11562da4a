// Watches a tree: index.html?server=http://127.0.0.1:3000&tree=ID. Bundled with
//   esbuild app.js --bundle --format=esm --loader:.wasm=file --outfile=public/app.js

import { PeerTreeClient } from 'peer-tree-client';
import wasm from 'peer-tree-client/peer-tree.wasm';

const parameters = new URLSearchParams(location.search);
const place = document.getElementById('place');

const client = new PeerTreeClient(parameters.get('server'), { wasm: new URL(wasm, import.meta.url) });
client.on('stream', (stream) => { document.querySelector('video').srcObject = stream; });
client.on('neighbours', (neighbours) => {
  const children = neighbours.filter(({ role }) => role === 'child').length;
  place.textContent = `In the tree, feeding ${children} others`;
});
client.on('error', (error) => { place.textContent = error.message; });
client.connect(parameters.get('tree'));
