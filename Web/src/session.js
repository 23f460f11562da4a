// The connection to a neighbour, in the W3C's terms. What it is asked for is done one thing after the other.

export class Connection {
  #connection;
  #tell;
  #turn = Promise.resolve();

  /** @param tell called with the name of what happens and its values, as inputs of the client */
  constructor(configuration, tell) {
    this.#tell = tell;
    this.#connection = new RTCPeerConnection(configuration);
    this.#connection.onicecandidate = ({ candidate }) => this.#found(candidate);
    this.#connection.onconnectionstatechange = () => this.#changed(this.#connection.connectionState);
  }

  /** The W3C's connection. */
  get native() {
    return this.#connection;
  }

  /** As the joiner: makes the data channel, which is returned at once, where it may be moved away, and offers. */
  offer(label) {
    const channel = this.#connection.createDataChannel(label);
    this.#describe(null, () => this.#connection.createOffer());
    return channel;
  }

  /** As the parent: takes the offer; the joiner's one channel goes to `adopt`. */
  accept(offer, adopt) {
    this.#connection.ondatachannel = ({ channel }) => {
      this.#connection.ondatachannel = (other) => other.channel.close();
      adopt(channel);
    };
    this.answer(offer);
  }

  answer(sdp) {
    this.#describe({ type: 'offer', sdp }, () => this.#connection.createAnswer());
  }

  restart() {
    this.#describe(null, () => this.#connection.createOffer({ iceRestart: true }));
  }

  takeAnswer(sdp) {
    this.#inTurn(() => this.#connection.setRemoteDescription({ type: 'answer', sdp }));
  }

  /** @param candidate the JSON of an `RTCIceCandidateInit`. One that is refused is left out. */
  addCandidate(candidate) {
    this.#turn = this.#turn.then(() => this.#connection.addIceCandidate(JSON.parse(candidate))).catch(() => {});
  }

  #describe(remote, make) {
    this.#inTurn(async () => {
      if (remote) await this.#connection.setRemoteDescription(remote);
      await this.#connection.setLocalDescription(await make());
      this.#tell('described', this.#connection.localDescription.sdp);
    });
  }

  #inTurn(action) {
    this.#turn = this.#turn.then(action).catch((error) => this.#tell('connectionFailed', error));
  }

  /** simple-peer's candidates have these members; both browsers say the end by null, one of them by an empty one too. */
  #found(candidate) {
    if (candidate?.candidate === '') return;
    const { candidate: text, sdpMLineIndex, sdpMid } = candidate ?? {};
    this.#tell('candidate', candidate && JSON.stringify({ candidate: text, sdpMLineIndex, sdpMid }));
  }

  #changed(state) {
    this.#tell('path', state);
    if (state === 'connected') this.#isRelayed().then((isRelayed) => this.#tell('relayed', isRelayed), () => {});
  }

  /** Whether the path in use leads over a TURN server, at either end. */
  async #isRelayed() {
    const stats = await this.#connection.getStats();
    const reports = [...stats.values()];
    // Some browsers name the pair in use; others mark it.
    const named = stats.get(reports.find(({ selectedCandidatePairId }) => selectedCandidatePairId)?.selectedCandidatePairId);
    const pair = named ?? reports.find(({ selected, nominated, state }) => selected ?? (nominated && state === 'succeeded'));
    const ends = [pair?.localCandidateId, pair?.remoteCandidateId];
    return ends.some((id) => stats.get(id)?.candidateType === 'relay');
  }

  /** Milliseconds to the other end and back, as the browser measured them last; null if it did not. */
  async roundTrip() {
    const reports = [...(await this.#connection.getStats()).values()];
    const pair = reports.find(({ nominated, currentRoundTripTime }) => nominated && currentRoundTripTime >= 0);
    return pair ? pair.currentRoundTripTime * 1000 : null;
  }

  close() {
    this.#tell = () => {};
    this.#connection.close();
  }
}
