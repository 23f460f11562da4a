// The entry of the workers' script, which both bundles carry as text.

import { serveWorker } from './engine-worker.js';

serveWorker(globalThis);
