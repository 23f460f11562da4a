// The keys of sources: Ed25519 (RFC 8032), by WebCrypto. The counterpart of the native client's SourceIdentity and
// ProofChecker.

import { PeerTreeError } from './errors.js';

const ALGORITHM = 'Ed25519';
const STORE = 'identities';

/** Whether a tree's id is that of a source's key, as `SourceKey.isTreeID` says. */
export function isSignedTree(treeID) {
  return /^s[a-z2-7]{31}$/.test(treeID);
}

/**
 * What a client takes to the tree: `identity` {publicKey, privateKey} if it signs; `isUnchecked` if it accepts what nobody
 * has checked. Throws an error that says what to do where signatures cannot be had.
 *
 * @param treeID null for a source
 * @param options of the client
 */
export async function prepareSigning(treeID, { identity, verify }) {
  if (treeID === null ? !identity : !isSignedTree(treeID)) return {};
  const problem = await signingProblem();
  if (problem && (treeID === null || verify !== 'when-possible')) throw problem;
  if (treeID !== null) return { isUnchecked: problem !== null };
  const { publicKey, privateKey } = await keyPair(identity);
  return { identity: { publicKey: new Uint8Array(await crypto.subtle.exportKey('raw', publicKey)), privateKey } };
}

async function signingProblem() {
  if (!globalThis.crypto?.subtle) {
    return new PeerTreeError('no-crypto', 'Browsers make and check signatures only on pages that came over https, or from '
      + 'this machine: open the page by its https address. A viewer that accepts what nobody has checked sets opts.verify '
      + "to 'when-possible'.");
  }
  try {
    await makeKeyPair();
    return null;
  } catch {
    return new PeerTreeError('no-ed25519', 'This browser has no Ed25519 signatures: it takes Chrome 137, Firefox 129 or '
      + 'Safari 17, or newer. A viewer that accepts what nobody has checked sets opts.verify to \'when-possible\'.');
  }
}

function makeKeyPair() {
  return crypto.subtle.generateKey(ALGORITHM, false, ['sign', 'verify']);
}

/** @param identity true for a new one, the name of one that this browser keeps, or a CryptoKeyPair */
function keyPair(identity) {
  if (identity === true) return makeKeyPair();
  return typeof identity === 'string' ? keptKeyPair(identity) : identity;
}

/** The one that this browser keeps for pages of this origin under a name; made the first time. It cannot be read out. */
async function keptKeyPair(name) {
  try {
    const opening = indexedDB.open('peer-tree', 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
    const database = await settled(opening);
    const store = (mode) => database.transaction(STORE, mode).objectStore(STORE);
    const kept = () => settled(store('readonly').get(name));
    try {
      const found = await kept();
      if (found) return found;
      const made = await makeKeyPair();
      // Another page may have been faster: then it is that one's.
      return await settled(store('readwrite').add(made, name)).then(() => made, () => kept());
    } finally {
      database.close();
    }
  } catch (error) {
    throw new PeerTreeError('no-storage', `The identity '${name}' cannot be kept in this browser: ${error.message}. Allow the `
      + 'page to store data, or use opts.identity true for a key that is gone with the page.');
  }
}

function settled(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** A source's signature over a statement. */
export async function sign(privateKey, statement) {
  return new Uint8Array(await crypto.subtle.sign(ALGORITHM, privateKey, statement));
}

/** Checks what a source has signed. */
export class ProofChecker {
  #key;

  /** @param publicKey its bytes. What is no key has signed nothing. */
  constructor(publicKey) {
    this.#key = crypto.subtle.importKey('raw', publicKey, ALGORITHM, false, ['verify']).catch(() => null);
  }

  async isTrue(statement, signature) {
    const key = await this.#key;
    return key !== null && crypto.subtle.verify(ALGORITHM, key, signature, statement);
  }
}
