// What both bundles offer.

export { VERSION } from './agent.js';
export { PeerTreeClient } from './client.js';
export { PeerTreeError } from './errors.js';
export { KEYS, describeSupport } from './media/format.js';
export { SocketIOClient } from './socket-io.js';
