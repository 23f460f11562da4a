// The button for the sound, and the one over the picture that asks for it: browsers let sound begin only after a click.

import { show } from './dom.js';
import { icon } from './icons.js';

export class SoundControl {
  #elements;

  /** @param elements {video, mute, unmute} */
  constructor(elements) {
    this.#elements = elements;
    this.render();
  }

  render() {
    const { video, mute, unmute } = this.#elements;
    const hasSound = (video.srcObject?.getAudioTracks().length ?? 0) > 0;
    show(unmute, video.muted && hasSound);
    show(mute, hasSound);
    mute.replaceChildren(icon(video.muted ? 'muted' : 'sound'));
    mute.setAttribute('aria-pressed', String(video.muted));
    mute.setAttribute('aria-label', video.muted ? 'Turn the sound on' : 'Turn the sound off');
  }
}
