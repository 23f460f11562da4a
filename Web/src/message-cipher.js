// Seals and opens the messages of an encrypted broadcast, as Protocol.md shows byte by byte. The counterpart of the native
// client's MessageCipher, MessageSealer and MessageOpener.

const STREAM_ID_LENGTH = 16;
const TAG_LENGTH = 16;
const SECRET_LENGTH = 32;
const PURPOSE = new TextEncoder().encode('peer-tree message 1');
/** How many bytes a sealed message is longer than the message. */
export const OVERHEAD = STREAM_ID_LENGTH + TAG_LENGTH;
const MAXIMUM_PAST = 64;

/** A new secret, as the text that stands in links. */
export function drawSecret() {
  const text = btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(SECRET_LENGTH))));
  return text.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

/** The bytes of a secret; null if the text is none, such as that of a link that was cut. */
export function secretBytes(text) {
  // Of the last character only four bits count, and no two texts are to mean the same.
  if (!/^[\w-]{42}[AEIMQUYcgkosw048]$/.test(text)) return null;
  return Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (character) => character.charCodeAt(0));
}

function importSecret(secret) {
  return crypto.subtle.importKey('raw', secret, 'HKDF', false, ['deriveKey']);
}

async function deriveCipher(secret, streamID) {
  const key = await crypto.subtle.deriveKey(
    { name: 'HKDF', hash: 'SHA-256', salt: streamID, info: PURPOSE },
    await secret,
    { name: 'AES-GCM', length: 256 },
    false,
    ['encrypt', 'decrypt'],
  );
  return { streamID, key };
}

/** The nonce is the number of the message's first chunk; id, number and marks are authenticated with the payload. */
function parameters(streamID, sequence, { isText, isJoinPoint, key }) {
  const nonce = new DataView(new ArrayBuffer(12));
  nonce.setBigUint64(4, BigInt(sequence));
  const authenticated = new DataView(new ArrayBuffer(STREAM_ID_LENGTH + 11));
  new Uint8Array(authenticated.buffer).set(streamID);
  authenticated.setBigUint64(STREAM_ID_LENGTH, BigInt(sequence));
  authenticated.setUint8(STREAM_ID_LENGTH + 8, (isText ? 1 : 0) | (isJoinPoint ? 2 : 0) | (key === null ? 0 : 4));
  authenticated.setUint16(STREAM_ID_LENGTH + 9, key ?? 0);
  return { name: 'AES-GCM', iv: nonce.buffer, additionalData: authenticated.buffer, tagLength: TAG_LENGTH * 8 };
}

/** The source's end of an encrypted broadcast. */
export class MessageSealer {
  #cipher;

  /** @param secret its bytes. Every sealer draws the id of a stream of its own. */
  constructor(secret) {
    this.#cipher = deriveCipher(importSecret(secret), crypto.getRandomValues(new Uint8Array(STREAM_ID_LENGTH)));
    this.#cipher.catch(() => {});
  }

  /** A payload as it travels, from the chunk `sequence` on. No number may come twice. */
  async seal(payload, marks, sequence) {
    const { streamID, key } = await this.#cipher;
    const ciphertext = await crypto.subtle.encrypt(parameters(streamID, sequence, marks), key, payload);
    const sealed = new Uint8Array(STREAM_ID_LENGTH + ciphertext.byteLength);
    sealed.set(streamID);
    sealed.set(new Uint8Array(ciphertext), STREAM_ID_LENGTH);
    return sealed;
  }
}

/** A viewer's end of a broadcast that is encrypted with a secret. */
export class MessageOpener {
  #secret;
  /** Of the stream that messages were opened of last. */
  #current = null;
  /** Streams before that one: nobody goes back to them. */
  #past = [];

  constructor(secret) {
    this.#secret = importSecret(secret);
    this.#secret.catch(() => {});
  }

  /** Gives the payload, or the reason why it cannot be had: `not-encrypted`, `wrong-secret` or `changed`. */
  async open(message) {
    if (!message.isEncrypted) return { reason: 'not-encrypted' };
    const failure = { reason: this.#current === null ? 'wrong-secret' : 'changed' };
    const { payload: sealed } = message;
    if (sealed.length < OVERHEAD) return failure;
    const streamID = sealed.slice(0, STREAM_ID_LENGTH);
    const name = String(streamID);
    if (this.#past.includes(name)) return failure;
    const known = this.#current?.name === name ? this.#current : null;
    const cipher = known ?? { name, ...await deriveCipher(this.#secret, streamID) };
    let opened;
    try {
      const marks = parameters(streamID, message.sequence, message);
      opened = await crypto.subtle.decrypt(marks, cipher.key, sealed.subarray(STREAM_ID_LENGTH));
    } catch {
      return failure;
    }
    if (!known) this.#begin(cipher);
    return { payload: new Uint8Array(opened) };
  }

  #begin(cipher) {
    if (this.#current) this.#past.push(this.#current.name);
    if (this.#past.length > MAXIMUM_PAST) this.#past.shift();
    this.#current = cipher;
  }
}
