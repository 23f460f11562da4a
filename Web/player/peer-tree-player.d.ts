/**
 * `<peer-tree-player server="https://signal.example" tree="ID">` watches a tree: picture and sound, text and files, how far
 * they are behind, the place in the tree, and sentences where something is missing. It passes on what it receives.
 *
 * `import '/peer-tree-player.js'`, or `import 'peer-tree-client/player'`, defines it.
 *
 * Parts for style sheets (`peer-tree-player::part(badge)`): `stage`, `video`, `message`, `button`, `text`, `files`, `notice`,
 * `badge`, `unmute`, `controls`, `place`. Custom properties: `--peer-tree-accent`, `--peer-tree-background`,
 * `--peer-tree-radius`, `--peer-tree-aspect`, `--peer-tree-min-height`, `--peer-tree-max-height`.
 */
import type { Catalog, PeerTreeClient } from './peer-tree.js';

/** What the player is about; `failed` where this browser, or a refusal, makes an end of it. */
export type PlayerState = 'idle' | 'connecting' | 'connected' | 'unknown' | 'lost' | 'ended' | 'failed';

export type PlayerContent = 'none' | 'media' | 'text' | 'file';

/** What a viewer measures of itself; null is not known. */
export interface PlayerFigures {
  /** Who feeds it: in a tree of several stripes one or more. */
  parents: string[];
  /** Levels below the source. */
  depth: number | null;
  children: number;
  /** Bytes a second, in and out. */
  received: number | null;
  sent: number | null;
  /** To the parent and back, in milliseconds. */
  roundTrip: number | null;
  isLive: boolean;
  /** Milliseconds from capture to display. */
  latency: number | null;
  framesDropped: number | null;
  width: number | null;
  height: number | null;
  /** A codec string of WebCodecs. */
  codec: string | null;
}

export interface PlayerEvents {
  statechange: CustomEvent<{ state: PlayerState; text: string }>;
  contentchange: CustomEvent<{ content: PlayerContent }>;
  /** What the media is. */
  catalog: CustomEvent<Catalog>;
  /** Once a second; null while it is in no tree. */
  figures: CustomEvent<PlayerFigures | null>;
  /** Another client: the player makes a new one where the last cannot go on. */
  clientchange: CustomEvent<PeerTreeClient>;
}

export class PeerTreePlayer extends HTMLElement {
  /** Attribute: the address of the server, or, with commas between them, those of several as in `Servers`. Default: the page's own. */
  server: string | null;
  /** Attribute: the tree's id. Another one begins anew; none ends it. */
  tree: string | null;
  /** Attribute: for servers that let in only whom they invited. */
  token: string | null;
  /** What opens an encrypted broadcast, see `ClientOptions.secret`. No attribute: another one begins anew. */
  secret: string | null;
  /** Attribute: `off` makes this viewer a leaf, which feeds nobody. */
  upload: string | null;
  /** Attribute: where the client's WebAssembly is, see `ClientOptions.wasm`. */
  wasm: string | null;
  /** Whether the sound is off, as it is at first: browsers let it begin only after a click. */
  muted: boolean;
  readonly state: PlayerState;
  readonly content: PlayerContent;
  /** The client under way. */
  readonly client: PeerTreeClient | null;
  readonly video: HTMLVideoElement;
  /** Tries again at once, if it waits for doing so. */
  retry(): void;
  /** Fills the screen, or lets it go. */
  toggleFullscreen(): void;

  addEventListener<Name extends keyof PlayerEvents>(
    event: Name, handler: (event: PlayerEvents[Name]) => void, options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(event: string, handler: EventListenerOrEventListenerObject, options?: boolean | AddEventListenerOptions): void;
}

declare global {
  interface HTMLElementTagNameMap {
    'peer-tree-player': PeerTreePlayer;
  }
}
