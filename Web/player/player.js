// The entry of the player: defines the element.

import { PeerTreePlayer } from './element.js';

if (!customElements.get('peer-tree-player')) customElements.define('peer-tree-player', PeerTreePlayer);

export { PeerTreePlayer };
