// A page with the classic script, whose global has all that the module exports.

/// <reference types="peer-tree-client/peer-tree-client.js" />

const client: PeerTreeClient = new PeerTreeClient(location.origin, { capacity: 0 });
client.on('data', (data) => data.length);
const socket = new PeerTreeClient.SocketIOClient(location.origin);
const known: [1, string] = [PeerTreeClient.KEYS.catalog, PeerTreeClient.VERSION];
if (PeerTreeClient.describeSupport().watch.length > 0) throw new PeerTreeClient.PeerTreeError('x', `${socket.id} ${known}`);
