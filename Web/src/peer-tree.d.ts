/**
 * The browser client of peer-tree: one source, any number of viewers, and every viewer passes the stream on.
 *
 * As a module: `import { PeerTreeClient } from '/peer-tree.js'`. As a classic script, `peer-tree-client.js` makes the
 * global `PeerTreeClient`. A page with a Content-Security-Policy allows `script-src 'wasm-unsafe-eval'`, `worker-src
 * blob:`, and `connect-src` to the server and to the WebAssembly.
 */

/** What the client uses of a socket.io-client socket. */
export interface SignallingSocket {
  on(event: string, handler: (...values: any[]) => void): unknown;
  off(event: string, handler: (...values: any[]) => void): unknown;
  emit(event: string, ...values: any[]): unknown;
  /** Whether it is open. One that does not say so counts as open. */
  readonly connected?: boolean;
  /** False once it tries no more to open. */
  readonly active?: boolean;
  disconnect?(): unknown;
  connect?(): unknown;
}

/**
 * The address of a server: http, https, ws or wss. Or those of several of which one is as good as another: each client begins
 * with any of them, and goes on to the next when one refuses, does not answer or is lost.
 */
export type Servers = string | URL | readonly (string | URL)[];

export interface SocketIOOptions {
  /** What the server is told with the connection, such as a token. */
  auth?: object;
  /**
   * How long opening a session with one server, and again being let in, may take at first, in milliseconds. Doubled each time
   * that all servers have failed, up to `connectTimeout`. Default 5000.
   */
  handshakeTimeout?: number;
  /** How long these may take at most, in milliseconds. Default 20,000. */
  connectTimeout?: number;
}

/** A minimal Socket.IO 5 client over WebSocket, which comes back by itself. */
export class SocketIOClient implements SignallingSocket {
  constructor(servers: Servers, options?: SocketIOOptions);
  readonly connected: boolean;
  readonly id: string | null;
  /** The address of the server that it has, or tries. */
  readonly url: string;
  on(event: string, handler: (...values: any[]) => void): this;
  once(event: string, handler: (...values: any[]) => void): this;
  off(event: string, handler?: (...values: any[]) => void): this;
  addListener(event: string, handler: (...values: any[]) => void): this;
  removeListener(event: string, handler?: (...values: any[]) => void): this;
  listenerCount(event: string): number;
  /** Sends an event to the server. */
  emit(event: string, ...values: any[]): this;
  /** Closes the connection until `connect`. */
  close(): this;
  disconnect(): this;
  connect(): this;
}

/**
 * What happens to slow viewers. `lossless`: the stream waits for them. `paced`: it does not; they are detached once they
 * fall out of the replay buffer. `live`: they are cut back to the next join point.
 */
export type StreamPolicy = 'lossless' | 'paced' | 'live';

/** Limits and timers of the engine; times in milliseconds, the rest in bytes or chunks of 16 KiB. */
export interface Limits {
  replayChunks?: number;
  replayBytes?: number;
  window?: number;
  highWater?: number;
  maximumMessageBytes?: number;
  maximumRetainedKeys?: number;
  maximumRetainedBytes?: number;
  maximumLinks?: number;
  maximumChildren?: number;
  admissionTimeout?: number;
  releaseTimeout?: number;
  maximumMalformedFrames?: number;
  heartbeatInterval?: number;
  silenceTimeout?: number;
  connectTimeout?: number;
  attemptPatience?: number;
  subscribeTimeout?: number;
  orphanRetry?: number;
  repairRequestTimeout?: number;
  repairTimeout?: number;
  patience?: number;
  maximumLiveLag?: number;
  leaveTimeout?: number;
  endTimeout?: number;
  /** Bytes a second. */
  minimumRate?: number;
  handOutTime?: number;
  /** How long a lossless stream waits for a child whose link broke. Default 3000. */
  rejoinTimeout?: number;
  /** Bytes of one link that may wait in a signed tree until they are checked. Default 16 MiB. */
  maximumUnprovenBytes?: number;
  unreachablePatience?: number;
  retryInterval?: number;
  /** 0: no reports. */
  statusInterval?: number;
  sessionTimeout?: number;
  restartInterval?: number;
  nativePatience?: number;
  plainPatience?: number;
}

/** The options of the built-in Socket.IO client are for a client that was given addresses. */
export interface ClientOptions extends SocketIOOptions {
  /** For RTCPeerConnection. Its STUN and TURN servers come before those that the server names. Default: none. */
  config?: RTCConfiguration;
  /** Children offered; the server may lower it. Default: the server's k, or k1 for a source. */
  capacity?: number;
  /** Trees over which a source deals its stream, 1 to 16. Default 1. */
  stripes?: number;
  /**
   * How many of the stripes carry the parity of the others, 0 or 1. With 1 nobody waits for a peer that went, for a share of
   * one in `stripes` of what everyone sends. Not for the policy `lossless`. Default 0.
   */
  parity?: number;
  /** Of a source's stream. Default lossless. */
  policy?: StreamPolicy;
  /**
   * How long entering a tree may take, in milliseconds, with the time that silent servers take up. Default 10,000. Where all
   * servers have failed, it ends `limits.unreachablePatience` later at the latest, which is 5000 by default.
   */
  timeout?: number;
  /** Whether this page takes the messages; false for a pure relay. Default true. */
  delivers?: boolean;
  /**
   * Bytes that may lie unread. Beyond, a live stream drops up to the next join point, and any other fails with
   * `reader-too-slow`. A lossless stream waits for its reader before: at most a window of chunks (16 MiB), one message
   * and what is retained, which is less than the default. Default 64 MiB.
   */
  maximumUnreadBytes?: number;
  /** Bytes written but not on their way at which `write` returns false. Default 1 MiB. */
  maximumUnsentBytes?: number;
  /** Connections under way or open at once. Default 64. */
  maximumSessions?: number;
  limits?: Limits;
  /**
   * The client's WebAssembly: where it is, or compiled. Default: beside the module, inside the classic script. To be named
   * where a bundler moves the one without the other.
   */
  wasm?: string | URL | WebAssembly.Module;
  /** Where the engine runs. Default: the page, with the timers of a worker. `worker` is an experiment: see Browser.md. */
  engine?: 'worker' | 'page';
  /**
   * `tree`: messages are passed on by themselves. `original`: the page passes them on, from `upstreamPeer` to each
   * `downstreamPeer`, as with the original package. `auto`, the default: `original` if, when it enters a tree, the page
   * listens to one of these two events and to neither `data` nor `stream`, and has not asked for the streams.
   */
  mode?: 'auto' | 'tree' | 'original';
  /** Of a source: encrypt the broadcast, with a secret of its own that `secret` then gives. Default false. */
  encrypt?: boolean;
  /**
   * What encrypts a source's broadcast, and opens it at viewers: 43 letters, digits, `-` and `_`. It belongs into the
   * fragment of links, as `#key=…`, and nowhere else. Needs a page that came over https or from this machine.
   */
  secret?: string;
  /**
   * Of a source: sign the broadcast, so that viewers take, pass on and repair from nothing that others wrote. The tree's id is
   * that of the key. `true`: a new key, which is gone with the page. A name: the key that this browser keeps under it for
   * pages of this origin, in IndexedDB, made the first time; it cannot be read out. A pair of Ed25519 keys: these. Whoever
   * creates a tree with the same key again takes it over. Needs a page that came over https or from this machine. Default
   * false.
   */
  identity?: boolean | string | CryptoKeyPair;
  /**
   * Whether a viewer enters a signed tree where the browser cannot check signatures: on pages over plain http, and without
   * Ed25519. `always`, the default: no, with the error `no-crypto` or `no-ed25519`. `when-possible`: yes, and what it delivers
   * there may be anybody's; it feeds nobody.
   */
  verify?: 'always' | 'when-possible';
  /** In original mode: a MediaStream for the peers below. */
  stream?: MediaStream;
}

export interface WriteOptions {
  /** A viewer can start with this message. Default false. */
  joinPoint?: boolean;
  /** Keep the newest message under this key, 0 to 65,535, and give it to every newcomer first. */
  key?: number | null;
}

/** A whole message. */
export interface Message {
  data: Uint8Array | string;
  isText: boolean;
  isJoinPoint: boolean;
  key: number | null;
  /** Position of its first and of its last chunk in the stream. */
  sequence: number;
  lastSequence: number;
  /** The source's clock, microseconds since 1970. */
  timestamp: number;
  /** Whether it was on its way. */
  isEncrypted: boolean;
}

export interface PeerStatus {
  /** Bytes a second. */
  rate: number;
  children: number;
  /** Milliseconds that the last message was behind the source's clock; null before the first. */
  lag: number | null;
  /** Round trip to the parent in milliseconds; negative if not known. */
  roundTrip: number;
}

export interface Statistics extends PeerStatus {
  bytesReceived: number;
  bytesSent: number;
  chunksReceived: number;
  chunksSent: number;
  messagesDelivered: number;
  /** Chunks that were there already. */
  duplicates: number;
  /** Frames dropped because they break the protocol. */
  malformedFrames: number;
  /** Well-formed frames dropped because they make no sense from this neighbour. */
  unexpectedFrames: number;
  /** Frames of a type that this version does not know. */
  unknownFrames: number;
  repairRequests: number;
  chunksLost: number;
  /** Chunks that did not have to come, since they follow from the others of their row. */
  chunksRebuilt: number;
  /** Chunks of messages too large to be put together. */
  discardedChunks: number;
  parentsLost: number;
  slowChildren: number;
  /** Links closed because the server admitted nobody of that name. */
  strangers: number;
  skips: number;
  /** Links closed because they brought what the source has not signed. */
  forgeries: number;
  /** Blocks that a source signed twice, and not alike. */
  contradictions: number;
  /** Frames for which there was no room until they were checked; they can be asked for again. */
  unprovenDrops: number;
  /** What the source has signed, but for another time. */
  staleStatements: number;
  /** Round trip to the parent in milliseconds, as the stream's own frames show it; negative if not known. */
  parentRoundTrip: number;
  policy: StreamPolicy;
  isFed: boolean;
  isEnded: boolean;
  isSubtreeComplete: boolean;
  /** Levels below the source, as the server last said; 0 at the source, null if not known. */
  depth: number | null;
  /** New paths that both ends of a link have agreed on. */
  iceRestarts: number;
  neighbours: NeighbourSummary[];
  /** Where the engine runs. */
  engine: 'worker' | 'page' | 'page without a worker';
}

export interface NeighbourSummary {
  id: string;
  role: 'parent' | 'child';
}

/** What the server tells the source, at most once a second. */
export interface TreeSummary {
  treeID: string;
  viewers: number;
  depth: number;
  peers?: { id: string; parent: string | null; depth: number; native: boolean; lag?: number }[];
}

/** A neighbour; in original mode with what pages use of simple-peer. */
export interface Neighbour {
  readonly id: string;
  readonly isUpstream: boolean;
  readonly connected?: boolean;
  on(event: 'data', handler: (data: Uint8Array) => void): this;
  on(event: 'stream', handler: (stream: MediaStream) => void): this;
  on(event: 'connect' | 'close' | 'drain', handler: () => void): this;
  on(event: 'error', handler: (error: Error) => void): this;
  once(event: string, handler: (...values: any[]) => void): this;
  off(event: string, handler?: (...values: any[]) => void): this;
  write(data: string | ArrayBuffer | ArrayBufferView): boolean;
  send?(data: string | ArrayBuffer | ArrayBufferView): void;
  destroy?(error?: Error): void;
}

/**
 * Why messages are not given to the application. `secret-missing`: they are encrypted, and there is no `secret`.
 * `wrong-secret`: another one. `not-encrypted`: there is a `secret`, and anybody on the way may have written them.
 * `changed`: others could be opened, and these could not.
 */
export type UnreadableReason = 'secret-missing' | 'wrong-secret' | 'not-encrypted' | 'changed';

export interface ClientEvents {
  /** The server answered: the tree's id and the own id. */
  discover: (treeID: string, id: string) => void;
  /** The first parent feeds this client; never at a source. */
  connect: (treeID: string) => void;
  /** A message: bytes, or a string if the source wrote text. */
  data: (data: Uint8Array | string) => void;
  /** The same with all that is known of it. */
  message: (message: Message) => void;
  /** Live media: pictures and sound in time with each other. */
  stream: (stream: MediaStream) => void;
  /** What the media is. */
  catalog: (catalog: Catalog) => void;
  /** The stream is complete here. */
  end: () => void;
  /** The stream is over for this client. */
  disconnect: (event?: { reason: 'complete' | 'source-lost' }) => void;
  /** Everyone below, and this client, has the whole stream. */
  complete: () => void;
  /** A part will never come; `isSkip` if live media was cut to catch up. */
  gap: (gap: { isSkip: boolean; start: number; end: number }) => void;
  /** Messages come that cannot be opened, said once for each reason; this client goes on passing the stream on. */
  unreadable: (event: { reason: UnreadableReason; message: string }) => void;
  /** `write` may go on. */
  drain: () => void;
  upstreamPeer: (peer: Neighbour) => void;
  downstreamPeer: (peer: Neighbour) => void;
  neighbours: (neighbours: NeighbourSummary[]) => void;
  /** Every two seconds at a viewer. */
  status: (status: PeerStatus) => void;
  /** At the source. */
  tree: (tree: TreeSummary) => void;
  serverLost: () => void;
  serverBack: () => void;
  /** The server is about to stop; the stream goes on. */
  serverGoingAway: () => void;
  /** The server refused something. */
  refused: (refusal: { code: string; message: string }) => void;
  warning: (text: string) => void;
  error: (error: Error) => void;
}

export class PeerTreeError extends Error {
  /** For programs: `unknown-tree`, `server-unreachable`, `server-timeout`, `not-source`, `closed`, … */
  readonly code: string;
  constructor(code: string, message: string);
}

export class PeerTreeClient {
  /** @param socket a socket.io-client socket, or the addresses for the built-in one */
  constructor(socket: SignallingSocket | Servers, options?: ClientOptions);

  readonly destroyed: boolean;
  readonly treeID: string | null;
  /** What the server calls this client; changes with the socket to it. */
  readonly id: string | null;
  readonly isSource: boolean;
  readonly tree: TreeSummary | null;
  /** What opens this encrypted broadcast, as it stands in links; null if it is not encrypted. */
  readonly secret: string | null;
  readonly neighbours: NeighbourSummary[];
  /** Of the source: bytes that wait in its fullest send queue. */
  readonly uplink: { buffered: number };

  /** Makes a tree with this client as its source; resolves with its id. Failures are also `error` events. */
  create(options?: { policy?: StreamPolicy; limits?: Limits }): Promise<string>;
  /** Joins a tree; resolves once the server has named a place. The stream begins with `connect`. */
  connect(treeID: string, options?: { limits?: Limits }): Promise<string>;

  /**
   * Writes a message. False means: wait for `drain` before writing more. One larger than `limits.maximumMessageBytes`
   * (16 MiB) is refused with `message-too-large`, and nothing of it is written.
   */
  write(data: string | ArrayBuffer | ArrayBufferView, options?: WriteOptions): boolean;
  /** Whether `write` last returned false, and `drain` is still to come. */
  readonly isBlocked: boolean;
  /** Ends the stream: viewers get everything up to here, then `end`. */
  end(): void;
  /** Resolves once this client and all below it have the whole stream, or the stream broke off. */
  complete(): Promise<void>;

  /** The messages. A lossless stream flows no faster than this is read. */
  readonly readable: ReadableStream<Uint8Array | string>;
  /** Writes messages at the pace of the slowest viewer; closing it ends the stream. */
  readonly writable: WritableStream<string | ArrayBuffer | ArrayBufferView>;

  /** Encodes a MediaStream once and sends it to everyone. Makes a live tree if none was made. */
  broadcast(stream: MediaStream, options?: BroadcastOptions): Broadcast;
  /**
   * Sends a file as it is: a description under `KEYS.content`, then its bytes. Begins when the first viewer is there, and
   * goes at the pace of the slowest. Makes a lossless tree if none was made.
   */
  broadcast(file: Blob, options?: FileBroadcastOptions): FileBroadcast;
  /** The media being received, if any. */
  readonly media: ReceivedMedia | null;

  statistics(): Promise<Partial<Statistics>>;
  /** Finds new paths for all links, for a page that knows of a change of addresses. Paths that end are renewed anyway. */
  restartICE(): void;
  /** Leaves in order: children go on being fed until they have new parents. */
  leave(): Promise<void>;
  /** Leaves at once. */
  destroy(): void;

  on<Name extends keyof ClientEvents>(event: Name, handler: ClientEvents[Name]): this;
  once<Name extends keyof ClientEvents>(event: Name, handler: ClientEvents[Name]): this;
  off<Name extends keyof ClientEvents>(event: Name, handler?: ClientEvents[Name]): this;
  addListener<Name extends keyof ClientEvents>(event: Name, handler: ClientEvents[Name]): this;
  removeListener<Name extends keyof ClientEvents>(event: Name, handler?: ClientEvents[Name]): this;
  listenerCount(event: keyof ClientEvents): number;
  /** Calls the handlers of an event; false if there are none. */
  emit<Name extends keyof ClientEvents>(event: Name, ...values: Parameters<ClientEvents[Name]>): boolean;
}

export interface BroadcastOptions {
  title?: string;
  /** False leaves video out. */
  video?: false | {
    /** Codec strings of WebCodecs, the most wanted first; the first that is encoded in real time is taken. */
    codec?: string | string[];
    /** Bits a second, at most; lowered while the own uplink is full. Default 1,000,000. */
    bitrate?: number;
    /** Frames a second, for the encoder's planning. Default 30. */
    framerate?: number;
    /** Seconds between key frames, where viewers can start. Default 2. */
    keyFrameInterval?: number;
  };
  /** False leaves sound out. */
  audio?: false | {
    /** Default opus. */
    codec?: string;
    /** Bits a second. Default 64,000. */
    bitrate?: number;
  };
}

export interface Broadcast {
  /** Resolves with the tree's id once the first frame is on its way. */
  readonly started: Promise<string>;
  readonly finished: Promise<void>;
  readonly statistics: {
    framesEncoded: number;
    framesDropped: number;
    bytes: number;
    codec: string | null;
    bitrate: number;
    targetBitrate: number;
    error?: string;
  };
  /** Ends the broadcast and the stream; the tracks themselves go on. */
  stop(): void;
}

export interface FileBroadcastOptions {
  /** Default: that of the File. */
  name?: string;
  /** A media type. Default: that of the Blob. */
  type?: string;
}

export interface FileBroadcast {
  /** Resolves with the tree's id once viewers may come. */
  readonly started: Promise<string>;
  /** Resolves when all is written, or the broadcast was stopped. */
  readonly finished: Promise<void>;
  readonly statistics: { bytes: number; size: number; error?: string };
  /** Ends the stream where it stands. */
  stop(): void;
}

export interface ReceivedMedia {
  readonly stream: MediaStream | null;
  readonly catalog: Catalog | null;
  /** Milliseconds that the jitter buffer adds at present. */
  readonly delay: number;
  readonly statistics: {
    framesDecoded: number;
    framesDropped: number;
    framesShown: number;
    /** Milliseconds from capture to display of the last frame, by the clocks of the two machines; null if not known. */
    latency: number | null;
    width: number;
    height: number;
  };
  /** Lets sound begin: call it from a click, which browsers want before. Any click on the page does as well. */
  resume(): Promise<unknown>;
}

/** See Media.md for the wire form. */
export interface Catalog {
  title: string;
  live: boolean;
  origin: number | null;
  duration: number | null;
  tracks: {
    id: number;
    kind: 'video' | 'audio';
    configuration: object;
    framerate: number | null;
    bitrate: number | null;
  }[];
}

/** Keys of retained messages: header of a byte stream, catalog of media, description of a file. */
export const KEYS: { header: 0; catalog: 1; content: 2 };

/** What this browser lacks, in sentences; empty lists if it lacks nothing. */
export function describeSupport(): { watch: string[]; broadcast: string[] };

/** The version of the client, such as `1.2.3`. */
export const VERSION: string;

export default PeerTreeClient;
