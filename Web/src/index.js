import { PeerTreeClient } from './client.js';
import { PeerTreeError } from './errors.js';
import { serveWorker } from './engine-worker.js';
import { SocketIOClient } from './socket-io.js';
import { script } from './script.js';
import { KEYS, describeSupport } from './media/format.js';

/** What both bundles offer. */
export const API = { PeerTreeClient, PeerTreeError, SocketIOClient, KEYS, describeSupport };
