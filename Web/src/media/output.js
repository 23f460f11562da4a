// Decoded frames become the tracks of a MediaStream.

const RESYNC = 0.06;

/** Frames as a video track: from a generator where there is one, else from a canvas. */
export function makeVideoOutput({ codedWidth = 640, codedHeight = 360 }) {
  return typeof MediaStreamTrackGenerator !== 'undefined'
    ? new GeneratorOutput() : new CanvasOutput(codedWidth, codedHeight);
}

class GeneratorOutput {
  constructor() {
    this.track = new MediaStreamTrackGenerator({ kind: 'video' });
    this.writer = this.track.writable.getWriter();
  }

  /** Takes over the frame. */
  show(frame) {
    this.writer.write(frame).catch(() => frame.close());
  }

  stop() {
    this.writer.close().catch(() => {});
    this.track.stop();
  }
}

class CanvasOutput {
  constructor(width, height) {
    this.canvas = document.createElement('canvas');
    this.canvas.width = width;
    this.canvas.height = height;
    this.context = this.canvas.getContext('2d', { alpha: false, desynchronized: true });
    [this.track] = this.canvas.captureStream().getVideoTracks();
  }

  show(frame) {
    const { displayWidth, displayHeight } = frame;
    if (this.canvas.width !== displayWidth) this.canvas.width = displayWidth;
    if (this.canvas.height !== displayHeight) this.canvas.height = displayHeight;
    this.context.drawImage(frame, 0, 0);
    frame.close();
  }

  stop() {
    this.track.stop();
  }
}

/** Sound as an audio track: an audio graph plays each piece at its time. */
export class AudioOutput {
  #next = 0;
  #onGesture = () => this.resume();

  constructor() {
    this.context = new AudioContext({ latencyHint: 'interactive' });
    this.destination = this.context.createMediaStreamDestination();
    [this.track] = this.destination.stream.getAudioTracks();
    // Browsers let sound begin only after the user did something.
    for (const name of ['pointerdown', 'keydown']) document.addEventListener(name, this.#onGesture);
  }

  resume() {
    return this.context.state === 'suspended' ? this.context.resume().catch(() => {}) : Promise.resolve();
  }

  /** Plays decoded sound at `due`, in the time of `performance.now()`; sound that is too late is left out. */
  play(data, due) {
    const { context } = this;
    const ideal = context.currentTime + (due - performance.now()) / 1000;
    if (context.state === 'running' && ideal > context.currentTime - RESYNC) {
      const buffer = context.createBuffer(data.numberOfChannels, data.numberOfFrames, data.sampleRate);
      for (let channel = 0; channel < data.numberOfChannels; channel++) {
        data.copyTo(buffer.getChannelData(channel), { planeIndex: channel, format: 'f32-planar' });
      }
      // Piece on piece without seams; only what has drifted apart is set anew.
      if (Math.abs(ideal - this.#next) > RESYNC) this.#next = ideal;
      const begin = Math.max(this.#next, context.currentTime);
      const source = context.createBufferSource();
      source.buffer = buffer;
      source.connect(this.destination);
      source.start(begin);
      this.#next = begin + buffer.duration;
    }
    data.close();
  }

  stop() {
    for (const name of ['pointerdown', 'keydown']) document.removeEventListener(name, this.#onGesture);
    this.context.close().catch(() => {});
  }
}
