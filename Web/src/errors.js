/** What went wrong: `code` for programs, the message for people. */
export class PeerTreeError extends Error {
  constructor(code, message) {
    super(message);
    this.name = 'PeerTreeError';
    this.code = code;
  }
}
