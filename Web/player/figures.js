// What a viewer measures of itself, once a second.

/** Turns what a client counts into rates. */
export class Figures {
  #last = null;

  restart() {
    this.#last = null;
  }

  /** The figures of a client that is in a tree; null if it is in none. */
  async of(client) {
    if (!client || client.destroyed) return null;
    const counted = await client.statistics();
    const at = performance.now();
    const last = this.#last;
    this.#last = { counted, at };
    const seconds = last && counted.bytesReceived >= last.counted.bytesReceived ? (at - last.at) / 1000 : null;
    const rate = (name) => (seconds ? (counted[name] - last.counted[name]) / seconds : null);
    const { media } = client;
    const isLive = Boolean(media?.stream && media.catalog?.live);
    return {
      parents: (counted.neighbours ?? []).filter(({ role }) => role === 'parent').map(({ id }) => id),
      depth: counted.depth ?? null,
      children: counted.children ?? 0,
      received: rate('bytesReceived'),
      sent: rate('bytesSent'),
      roundTrip: counted.roundTrip >= 0 ? counted.roundTrip : null,
      isLive,
      latency: isLive ? media.statistics.latency : null,
      framesDropped: media?.stream ? media.statistics.framesDropped : null,
      width: media?.statistics.width || null,
      height: media?.statistics.height || null,
      codec: media?.catalog?.tracks.find(({ kind }) => kind === 'video')?.configuration.codec ?? null,
    };
  }
}
