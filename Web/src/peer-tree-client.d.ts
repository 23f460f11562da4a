// What the classic script makes of the page.

import * as API from './peer-tree.js';

declare global {
  /** The client, and what else the module exports, such as `PeerTreeClient.KEYS`. */
  const PeerTreeClient: typeof API.PeerTreeClient & typeof API;
  type PeerTreeClient = API.PeerTreeClient;
}
