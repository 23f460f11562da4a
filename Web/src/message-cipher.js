// Computes what seals and opens the messages of an encrypted broadcast; the core says what it is. The counterpart of the
// native client's MessageCipher.

import { SEAL } from './boundary.js';
import { joined } from './machine.js';

const SECRET_LENGTH = 32;
const PURPOSE = new TextEncoder().encode(SEAL.purpose);

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

/** Computes what the client asks for by `seal` and `open`. */
export class MessageCipher {
  #secret;
  /** Of the stream that was asked for last. */
  #known = { name: null, key: null };

  /** @param secret its bytes */
  constructor(secret) {
    this.#secret = crypto.subtle.importKey('raw', secret, 'HKDF', false, ['deriveKey']);
    this.#secret.catch(() => {});
  }

  /** The ciphertext of a payload, and the tag. */
  async seal(streamID, nonce, authenticated, payload) {
    const key = await this.#key(streamID);
    return new Uint8Array(await crypto.subtle.encrypt(parameters(nonce, authenticated), key, payload));
  }

  /** What was sealed, in parts as they came; null if the secret is another, or anything was changed. */
  async open(streamID, nonce, authenticated, ...parts) {
    try {
      const key = await this.#key(streamID);
      return new Uint8Array(await crypto.subtle.decrypt(parameters(nonce, authenticated), key, joined(parts)));
    } catch {
      return null;
    }
  }

  #key(streamID) {
    const name = String(streamID);
    if (this.#known.name !== name) this.#known = { name, key: this.#derive(streamID) };
    return this.#known.key;
  }

  async #derive(salt) {
    const derivation = { name: 'HKDF', hash: 'SHA-256', salt, info: PURPOSE };
    const cipher = { name: 'AES-GCM', length: 256 };
    return crypto.subtle.deriveKey(derivation, await this.#secret, cipher, false, ['encrypt', 'decrypt']);
  }
}

function parameters(iv, additionalData) {
  return { name: 'AES-GCM', iv, additionalData, tagLength: SEAL.tagLength * 8 };
}
