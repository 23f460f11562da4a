// Media on the wire: the catalog and the header of a frame. Documentation/PeerTree.docc/Media.md is the contract.

/** Keys of retained messages. */
export const KEYS = { header: 0, catalog: 1, content: 2 };

const FRAME = 1;
const HEADER_LENGTH = 24;
const MAXIMUM_CATALOG = 65_536;

const isCount = (value, limit) => Number.isInteger(value) && value >= 1 && value <= limit;

/** The message of an encoded frame. */
export function writeFrame({ track, isKey, number, timestamp, duration }, chunk) {
  const message = new Uint8Array(HEADER_LENGTH + chunk.byteLength);
  const view = new DataView(message.buffer);
  view.setUint8(0, FRAME);
  view.setUint8(1, HEADER_LENGTH);
  view.setUint8(2, track);
  view.setUint8(3, isKey ? 1 : 0);
  view.setUint32(4, number >>> 0);
  view.setBigInt64(8, BigInt(Math.round(timestamp)));
  view.setUint32(16, Math.max(0, Math.round(duration ?? 0)));
  chunk.copyTo(message.subarray(HEADER_LENGTH));
  return message;
}

/** The frame in a message, or null if it is none. */
export function readFrame(message) {
  if (message.length < HEADER_LENGTH || message[0] !== FRAME) return null;
  const view = new DataView(message.buffer, message.byteOffset, message.length);
  const headerLength = view.getUint8(1);
  if (headerLength < HEADER_LENGTH || headerLength > message.length) return null;
  return {
    track: view.getUint8(2),
    isKey: (view.getUint8(3) & 1) !== 0,
    number: view.getUint32(4),
    timestamp: Number(view.getBigInt64(8)),
    duration: view.getUint32(16),
    data: message.subarray(headerLength),
  };
}

/** The catalog's text; track configurations as WebCodecs gives them. */
export function writeCatalog({ title, live, origin, duration, tracks }) {
  const entries = tracks.map(({ description, ...track }) => {
    if (description === undefined) return track;
    const bytes = ArrayBuffer.isView(description)
      ? new Uint8Array(description.buffer, description.byteOffset, description.byteLength) : new Uint8Array(description);
    return { ...track, description: btoa(String.fromCharCode(...bytes)) };
  });
  return JSON.stringify({ media: 1, title, live, origin, duration, tracks: entries });
}

/**
 * Reads a catalog. It comes from outside: every member is checked.
 *
 * @throws Error with a sentence that says what is wrong
 */
export function readCatalog(text) {
  if (text.length > MAXIMUM_CATALOG) throw new Error('The catalog of the media is too large.');
  const catalog = JSON.parse(text);
  if (catalog?.media !== 1) throw new Error('This broadcast needs a newer version of the page.');
  if (!Array.isArray(catalog.tracks) || !isCount(catalog.tracks.length, 16)) {
    throw new Error('The catalog of the media names no tracks.');
  }
  return {
    title: typeof catalog.title === 'string' ? catalog.title.slice(0, 256) : '',
    live: catalog.live === true,
    origin: Number.isFinite(catalog.origin) ? catalog.origin : null,
    duration: Number.isFinite(catalog.duration) ? catalog.duration : null,
    tracks: catalog.tracks.filter((track) => ['video', 'audio'].includes(track?.kind)).map(readTrack),
  };
}

function readTrack(track) {
  const { id, kind, codec } = track;
  if (!isCount(id, 255) || typeof codec !== 'string' || codec.length > 64) {
    throw new Error('The catalog of the media has a track without id or codec.');
  }
  const configuration = { codec };
  if (typeof track.description === 'string') {
    configuration.description = Uint8Array.from(atob(track.description), (character) => character.charCodeAt(0));
  }
  if (kind === 'video') {
    for (const name of ['codedWidth', 'codedHeight', 'displayAspectWidth', 'displayAspectHeight']) {
      if (isCount(track[name], 16_384)) configuration[name] = track[name];
    }
  } else {
    if (!isCount(track.sampleRate, 768_000) || !isCount(track.numberOfChannels, 32)) {
      throw new Error(`Audio track ${id} of the catalog has no sample rate or channels.`);
    }
    configuration.sampleRate = track.sampleRate;
    configuration.numberOfChannels = track.numberOfChannels;
  }
  const hint = (value) => (Number.isFinite(value) && value > 0 ? value : null);
  return { id, kind, configuration, framerate: hint(track.framerate), bitrate: hint(track.bitrate) };
}

/** What this browser lacks to broadcast or to watch, in sentences; both lists are empty if it lacks nothing. */
export function describeSupport() {
  const lacks = (name, text) => (typeof globalThis[name] === 'undefined' ? [text] : []);
  const both = [
    ...lacks('RTCPeerConnection', 'This browser has no WebRTC, or it is switched off.'),
    ...lacks('WebAssembly', 'This browser has no WebAssembly.'),
    ...lacks('DecompressionStream', 'This browser is too old: it has no DecompressionStream.'),
  ];
  const insecure = globalThis.isSecureContext === false
    ? 'The page was not loaded over HTTPS: browsers then hide the codecs.' : 'This browser has no WebCodecs.';
  return {
    watch: [...both, ...lacks('VideoDecoder', insecure)],
    broadcast: [...both, ...lacks('VideoEncoder', insecure)],
  };
}
