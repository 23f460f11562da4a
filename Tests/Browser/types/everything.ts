// Uses all that peer-tree.d.ts declares, as a page in strict TypeScript does. It is compiled, never run.

import PeerTree, {
  describeSupport, KEYS, PeerTreeClient, PeerTreeError, SocketIOClient, VERSION,
  type Broadcast, type BroadcastOptions, type Catalog, type ClientEvents, type ClientOptions, type FileBroadcast,
  type FileBroadcastOptions, type Limits, type Message, type Neighbour, type NeighbourSummary, type PeerStatus,
  type ReceivedMedia, type Servers, type SignallingSocket, type SocketIOOptions, type Statistics, type StreamPolicy,
  type TreeSummary, type UnreadableReason, type WriteOptions,
} from 'peer-tree-client';
import wasm from 'peer-tree-client/peer-tree.wasm';

const is = <Type>(value: Type) => value;

// What the module exports.
is<typeof PeerTreeClient>(PeerTree);
is<string>(VERSION);
is<string>(wasm);
is<[0, 1, 2]>([KEYS.header, KEYS.catalog, KEYS.content]);
const { watch, broadcast } = describeSupport();
is<string[]>([...watch, ...broadcast]);
const failure = new PeerTreeError('closed', 'This client was destroyed.');
is<Error>(failure);
is<string>(failure.code);

// Sockets.
const nodes: Servers = ['https://a.example', new URL('https://b.example')];
const settings: SocketIOOptions = { auth: { token: 'secret' }, handshakeTimeout: 1, connectTimeout: 1 };
new SocketIOClient(nodes);
const own = new SocketIOClient(new URL('https://signal.example'), settings);
own.on('connect', () => {}).once('connect', () => {}).off('connect').addListener('x', (value) => value)
  .removeListener('x').emit('event', 1).close().connect().disconnect();
is<[boolean, string | null, string, number]>([own.connected, own.id, own.url, own.listenerCount('connect')]);
const foreign: SignallingSocket = {
  on: (event, handler) => handler(event), off: () => {}, emit: () => true, connected: true, active: true,
  connect: () => {}, disconnect: () => {},
};

// Options.
const policies: StreamPolicy[] = ['lossless', 'paced', 'live'];
const limits: Limits = {
  replayChunks: 1, replayBytes: 1, window: 1, highWater: 1, maximumMessageBytes: 1, maximumRetainedKeys: 1,
  maximumRetainedBytes: 1, maximumLinks: 1, maximumChildren: 1, admissionTimeout: 1, releaseTimeout: 1,
  maximumMalformedFrames: 1, heartbeatInterval: 1, silenceTimeout: 1, connectTimeout: 1, attemptPatience: 1, subscribeTimeout: 1, orphanRetry: 1,
  repairRequestTimeout: 1, repairTimeout: 1, patience: 1, maximumLiveLag: 1, leaveTimeout: 1, endTimeout: 1, minimumRate: 1,
  handOutTime: 1, rejoinTimeout: 1, maximumUnprovenBytes: 1, unreachablePatience: 1, retryInterval: 1, statusInterval: 0, sessionTimeout: 1, restartInterval: 1,
  nativePatience: 1, plainPatience: 1,
};
const options: ClientOptions = {
  ...settings,
  config: { iceServers: [{ urls: 'stun:stun.example' }] }, capacity: 0, stripes: 2, parity: 1, encrypt: true, secret: 'A'.repeat(43), policy: policies[0], timeout: 1000,
  delivers: false, maximumUnreadBytes: 1, maximumUnsentBytes: 1, maximumSessions: 1, limits, wasm, engine: 'page',
  mode: 'tree', stream: new MediaStream(), identity: true, verify: 'always',
};
is<ClientOptions>({ identity: 'talks', verify: 'when-possible' });
crypto.subtle.generateKey('Ed25519', false, ['sign', 'verify']).then((identity) => is<ClientOptions>({ identity: identity as CryptoKeyPair }));
is<ClientOptions>({ wasm: new URL(wasm), engine: 'worker', mode: 'auto' });
is<ClientOptions>({ wasm: new WebAssembly.Module(new Uint8Array()), mode: 'original' });

// A client.
const client = new PeerTreeClient(foreign, options);
new PeerTreeClient(own);
new PeerTreeClient('https://signal.example', {});
new PeerTreeClient(nodes);
is<[boolean, boolean, string | null, string | null, boolean]>(
  [client.destroyed, client.isSource, client.treeID, client.id, client.isBlocked],
);
is<number>(client.uplink.buffered);
is<Promise<string>>(client.create({ policy: 'live', limits }));
is<Promise<string>>(client.connect('tree', { limits }));
const writing: WriteOptions = { joinPoint: true, key: KEYS.header };
is<boolean>(client.write('text') && client.write(new ArrayBuffer(1), writing) && client.write(new Uint8Array(1), { key: null }));
client.end();
is<Promise<void>[]>([client.complete(), client.leave()]);
is<ReadableStream<Uint8Array | string>>(client.readable);
is<WritableStream<string | ArrayBuffer | ArrayBufferView>>(client.writable);
is<string | null>(client.secret);
client.restartICE();
client.destroy();

// Events.
const handlers: ClientEvents = {
  discover: (treeID, id) => is<string[]>([treeID, id]),
  connect: (treeID) => is<string>(treeID),
  data: (data) => is<string | Uint8Array>(data),
  message: (message) => {
    const { data, isText, isJoinPoint, key, sequence, lastSequence, timestamp, isEncrypted }: Message = message;
    is<[string | Uint8Array, boolean, boolean, number | null, boolean]>([data, isText, isJoinPoint, key, isEncrypted]);
    is<number[]>([sequence, lastSequence, timestamp]);
  },
  stream: (stream) => is<MediaStream>(stream),
  catalog: (catalog) => {
    const { title, live, origin, duration, tracks }: Catalog = catalog;
    is<[string, boolean, number | null, number | null]>([title, live, origin, duration]);
    for (const { id, kind, configuration, framerate, bitrate } of tracks) {
      is<[number, 'video' | 'audio', object]>([id, kind, configuration]);
      is<(number | null)[]>([framerate, bitrate]);
    }
  },
  end: () => {},
  disconnect: (event) => is<'complete' | 'source-lost' | undefined>(event?.reason),
  complete: () => {},
  gap: ({ isSkip, start, end }) => is<[boolean, number, number]>([isSkip, start, end]),
  unreadable: ({ reason, message }) => is<[UnreadableReason, string]>([reason, message]),
  drain: () => {},
  upstreamPeer: (peer) => useNeighbour(peer),
  downstreamPeer: (peer) => useNeighbour(peer),
  neighbours: (neighbours) => is<NeighbourSummary[]>(neighbours),
  status: ({ rate, children, lag, roundTrip }: PeerStatus) => is<(number | null)[]>([rate, children, lag, roundTrip]),
  tree: ({ treeID, viewers, depth, peers }: TreeSummary) => {
    is<[string, number, number]>([treeID, viewers, depth]);
    for (const peer of peers ?? []) {
      is<[string, string | null, number, boolean, number | undefined]>(
        [peer.id, peer.parent, peer.depth, peer.native, peer.lag],
      );
    }
  },
  serverLost: () => {},
  serverBack: () => {},
  serverGoingAway: () => {},
  refused: ({ code, message }) => is<string[]>([code, message]),
  warning: (text) => is<string>(text),
  error: (error) => is<Error>(error),
};
client.on('data', handlers.data).once('message', handlers.message).off('data', handlers.data).off('data')
  .addListener('stream', handlers.stream).removeListener('stream', handlers.stream);
is<[number, boolean]>([client.listenerCount('data'), client.emit('connect', 'tree')]);
// @ts-expect-error There is no such event.
client.on('nothing', () => {});

function useNeighbour(peer: Neighbour) {
  is<[string, boolean, boolean | undefined]>([peer.id, peer.isUpstream, peer.connected]);
  peer.on('data', (data) => is<Uint8Array>(data)).on('stream', (stream) => is<MediaStream>(stream)).on('drain', () => {})
    .on('error', (error) => is<Error>(error)).once('close', () => {}).off('close');
  is<boolean>(peer.write('text'));
  peer.send?.(new Uint8Array(1));
  peer.destroy?.(failure);
}

// What is known of it.
const summaries: NeighbourSummary[] = client.neighbours;
for (const { id, role } of summaries) is<[string, 'parent' | 'child']>([id, role]);
is<TreeSummary | null>(client.tree);
client.statistics().then((all: Partial<Statistics>) => {
  is<(number | undefined)[]>([
    all.rate, all.children, all.roundTrip, all.bytesReceived, all.bytesSent, all.chunksReceived, all.chunksSent,
    all.messagesDelivered, all.duplicates, all.malformedFrames, all.unexpectedFrames, all.unknownFrames, all.repairRequests,
    all.chunksLost, all.chunksRebuilt, all.discardedChunks, all.parentsLost, all.slowChildren, all.strangers, all.skips, all.forgeries, all.contradictions,
    all.unprovenDrops, all.staleStatements, all.parentRoundTrip,
    all.iceRestarts,
  ]);
  is<(boolean | undefined)[]>([all.isFed, all.isEnded, all.isSubtreeComplete]);
  is<(number | null | undefined)[]>([all.depth, all.lag]);
  is<[StreamPolicy?, NeighbourSummary[]?, ('worker' | 'page' | 'page without a worker')?]>(
    [all.policy, all.neighbours, all.engine],
  );
});

// Media.
const encoding: BroadcastOptions = {
  title: 'Title', video: { codec: ['vp8'], bitrate: 1, framerate: 1, keyFrameInterval: 1 }, audio: { codec: 'opus', bitrate: 1 },
};
const sender: Broadcast = client.broadcast(new MediaStream(), encoding);
client.broadcast(new MediaStream(), { video: false, audio: false });
is<[Promise<string>, Promise<void>]>([sender.started, sender.finished]);
const { framesEncoded, framesDropped, bytes, codec, bitrate, targetBitrate, error } = sender.statistics;
is<number[]>([framesEncoded, framesDropped, bytes, bitrate, targetBitrate]);
is<[string | null, string | undefined]>([codec, error]);
sender.stop();
const described: FileBroadcastOptions = { name: 'a.txt', type: 'text/plain' };
const file: FileBroadcast = client.broadcast(new Blob([]), described);
is<[Promise<string>, Promise<void>, number, number, string | undefined]>(
  [file.started, file.finished, file.statistics.bytes, file.statistics.size, file.statistics.error],
);
file.stop();
const media: ReceivedMedia | null = client.media;
if (media) {
  is<[MediaStream | null, Catalog | null, number]>([media.stream, media.catalog, media.delay]);
  const { framesDecoded, framesShown, latency, width, height } = media.statistics;
  is<(number | null)[]>([framesDecoded, media.statistics.framesDropped, framesShown, latency, width, height]);
  is<Promise<unknown>>(media.resume());
}
