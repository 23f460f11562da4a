// One attempt to link with a neighbour, and the link that comes of it: a signalling session, a peer connection, a data
// channel. Signals are those of simple-peer.

let nextNumber = 1;

export class Session {
  number = nextNumber++;
  isOpen = false;
  #connection;
  #send;
  #mayTrickle = false;
  #outgoing = [];
  #incoming = [];

  /**
   * @param send called with each signal for the other end
   * @param onLost called once if the connection fails
   */
  constructor({ id, remoteName, isChild, isNative, configuration, send, onLost }) {
    this.id = id;
    this.remoteName = remoteName;
    this.isChild = isChild;
    this.isNative = isNative;
    this.#send = send;
    this.#connection = new RTCPeerConnection(configuration);
    this.#connection.onicecandidate = ({ candidate }) => this.#found(candidate);
    this.#connection.onconnectionstatechange = () => {
      if (['failed', 'closed'].includes(this.#connection.connectionState)) onLost();
    };
  }

  get connection() {
    return this.#connection;
  }

  /** As the joiner: opens the channel and offers. The channel goes to `adopt` at once, where it may be moved away. */
  async offer(label, adopt) {
    adopt(this.#connection.createDataChannel(label));
    await this.#connection.setLocalDescription(await this.#connection.createOffer());
    return this.#describe();
  }

  /** As the parent: takes the offer; the joiner's channel goes to `adopt`. */
  async answer(signal, adopt) {
    let isTaken = false;
    this.#connection.ondatachannel = ({ channel }) => {
      if (isTaken) return channel.close();
      isTaken = true;
      return adopt(channel);
    };
    await this.#describeRemote(signal);
    await this.#connection.setLocalDescription(await this.#connection.createAnswer());
    return this.#describe();
  }

  /** An answer or a candidate of the other end. */
  async signal(signal) {
    if (signal?.candidate) {
      if (this.#connection.remoteDescription) await this.#addCandidate(signal.candidate);
      else if (this.#incoming.length < 64) this.#incoming.push(signal.candidate);
    } else if (signal?.type === 'answer' && !this.isChild) {
      await this.#describeRemote(signal);
    }
  }

  /** The description has been sent: candidates may follow. */
  trickle() {
    this.#mayTrickle = true;
    for (const signal of this.#outgoing.splice(0)) this.#send(signal);
  }

  /** Milliseconds to the other end and back, as the browser measured them last; negative if it did not. */
  async roundTrip() {
    const reports = [...(await this.#connection.getStats()).values()];
    const pair = reports.find(({ nominated, currentRoundTripTime }) => nominated && currentRoundTripTime >= 0);
    return pair ? pair.currentRoundTripTime * 1000 : -1;
  }

  close() {
    this.#connection.onconnectionstatechange = null;
    this.#connection.onicecandidate = null;
    this.#connection.close();
  }

  #describe() {
    const { type, sdp } = this.#connection.localDescription;
    return { type, sdp };
  }

  async #describeRemote({ type, sdp }) {
    await this.#connection.setRemoteDescription({ type, sdp });
    for (const candidate of this.#incoming.splice(0)) await this.#addCandidate(candidate);
  }

  async #addCandidate({ candidate, sdpMid, sdpMLineIndex }) {
    if (candidate) await this.#connection.addIceCandidate({ candidate, sdpMid, sdpMLineIndex });
  }

  #found(candidate) {
    // simple-peer says the end of candidates by sending none.
    if (!candidate?.candidate) return;
    const { candidate: text, sdpMLineIndex, sdpMid } = candidate;
    const signal = { candidate: { candidate: text, sdpMLineIndex, sdpMid } };
    if (this.#mayTrickle) this.#send(signal);
    else this.#outgoing.push(signal);
  }
}

/** A name for a session that nobody guesses. */
export function makeSessionID() {
  return [...crypto.getRandomValues(new Uint32Array(4))].map((part) => part.toString(36)).join('');
}
