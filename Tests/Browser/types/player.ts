// Uses all that peer-tree-player.d.ts declares.

import { PeerTreePlayer, type PlayerContent, type PlayerEvents, type PlayerFigures, type PlayerState } from 'peer-tree-client/player';

const is = <Type>(value: Type) => value;

const player: PeerTreePlayer = document.createElement('peer-tree-player');
is<HTMLElement>(new PeerTreePlayer());
player.server = 'https://signal.example';
player.tree = player.token = player.upload = player.wasm = player.secret = null;
player.muted = false;
is<[PlayerState, PlayerContent, HTMLVideoElement]>([player.state, player.content, player.video]);
is<string | null | undefined>(player.client?.treeID);
player.retry();
player.toggleFullscreen();
player.addEventListener('statechange', ({ detail: { state, text } }) => is<[PlayerState, string]>([state, text]));
player.addEventListener('contentchange', ({ detail }) => is<PlayerContent>(detail.content));
player.addEventListener('catalog', ({ detail }) => is<string>(detail.title), { once: true });
player.addEventListener('clientchange', ({ detail }) => detail.on('gap', () => {}));
player.addEventListener('click', () => {});
player.addEventListener('figures', ({ detail }: PlayerEvents['figures']) => {
  if (!detail) return;
  const figures: PlayerFigures = detail;
  const { parents, depth, children, received, sent, roundTrip, isLive, latency, framesDropped, width, height, codec } = figures;
  is<[string[], string | null, boolean]>([parents, codec, isLive]);
  is<(number | null)[]>([depth, children, received, sent, roundTrip, latency, framesDropped, width, height]);
});
