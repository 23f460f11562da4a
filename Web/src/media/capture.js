// Raw frames of a MediaStreamTrack: from a MediaStreamTrackProcessor where there is one, else from a video element and
// from an audio graph.

const PROCESSOR_SAMPLES = 1024;

class Source {
  isStopped = false;

  /**
   * @param take gets each frame, and closes it
   * @param end called when the track has ended
   */
  constructor(track, take, end) {
    this.track = track;
    this.take = take;
    this.end = end;
  }

  async start() {
    this.track.addEventListener('ended', () => !this.isStopped && this.end());
    if (typeof MediaStreamTrackProcessor !== 'undefined') this.read();
    else await this.fallBack();
  }

  async read() {
    this.reader = new MediaStreamTrackProcessor({ track: this.track }).readable.getReader();
    for (;;) {
      const { value, done } = await this.reader.read().catch(() => ({ done: true }));
      if (done || this.isStopped) {
        value?.close();
        if (!this.isStopped) this.end();
        return;
      }
      this.take(value);
    }
  }

  stop() {
    this.isStopped = true;
    this.reader?.cancel().catch(() => {});
  }
}

export class VideoSource extends Source {
  async fallBack() {
    const video = document.createElement('video');
    this.video = video;
    video.muted = true;
    video.srcObject = new MediaStream([this.track]);
    await video.play();
    // The element's own media time wanders against the clock: what counts is when a picture came out of it.
    const next = (now) => {
      if (this.isStopped) return;
      video.requestVideoFrameCallback(next);
      this.take(new VideoFrame(video, { timestamp: Math.round(now * 1000) }));
    };
    video.requestVideoFrameCallback(next);
  }

  stop() {
    super.stop();
    if (this.video) this.video.srcObject = null;
  }
}

export class AudioSource extends Source {
  async fallBack() {
    const context = new AudioContext({ sampleRate: 48_000 });
    this.context = context;
    const channels = Math.min(2, this.track.getSettings().channelCount ?? 1);
    const processor = context.createScriptProcessor(PROCESSOR_SAMPLES, channels, channels);
    processor.onaudioprocess = ({ inputBuffer, playbackTime }) => {
      if (this.isStopped) return;
      const { numberOfChannels, length: numberOfFrames, sampleRate } = inputBuffer;
      const data = new Float32Array(numberOfFrames * numberOfChannels);
      for (let channel = 0; channel < numberOfChannels; channel++) {
        data.set(inputBuffer.getChannelData(channel), channel * numberOfFrames);
      }
      const timestamp = Math.round(playbackTime * 1e6);
      this.take(new AudioData({ format: 'f32-planar', sampleRate, numberOfChannels, numberOfFrames, timestamp, data }));
    };
    context.createMediaStreamSource(new MediaStream([this.track])).connect(processor);
    processor.connect(context.destination);
    await context.resume();
  }

  stop() {
    super.stop();
    this.context?.close();
  }
}
