// What comes besides media: lines of text to read, and files to keep. All of it is other people's: it is shown as text,
// and files are handed over under a harmless type.

import { KEYS } from '../peer-tree.js';
import { readDescription } from './content.js';
import { make, setText, show } from './dom.js';
import { byteCount } from './format.js';
import { icon } from './icons.js';

const LINES = 500;
const LINE_LENGTH = 20_000;
const FILES = 50;
/** Bytes of all files that a page takes in. */
const TOTAL = 2 ** 31;
/** Pieces are put together at this size: browsers keep large ones on disk. */
const GATHER = 16 << 20;

export class ReceivedContent {
  #elements;
  #description = null;
  #file = null;
  #header = null;
  #total = 0;
  #hasMedia = false;

  /** @param elements {reader, lines, downloads, files, onContent} */
  constructor(elements) {
    this.#elements = elements;
  }

  /** A client began anew: a file that was under way cannot go on. */
  restart() {
    this.#file?.abandon();
    this.#file = null;
    this.#header = null;
    this.#description = null;
  }

  /** Another broadcast: nothing of the last one stays. */
  clear() {
    this.restart();
    this.#total = 0;
    this.#hasMedia = false;
    const { lines, reader, files, downloads } = this.#elements;
    lines.replaceChildren();
    files.replaceChildren();
    show(reader, false);
    show(downloads, false);
  }

  take(message) {
    const { data, key, isText } = message;
    if (key === KEYS.catalog) {
      this.#hasMedia = true;
    } else if (key === KEYS.content) {
      this.#describe(data, message);
    } else if (key === KEYS.header && !isText) {
      this.#header = data;
    } else if (key === null && !this.#hasMedia) {
      if (isText && (this.#description?.isText ?? true)) this.#read(data);
      else this.#keep(typeof data === 'string' ? new TextEncoder().encode(data) : data, message);
    }
  }

  #describe(data, { lastSequence }) {
    const description = readDescription(data);
    if (!description) return;
    this.#file?.abandon();
    this.#file = null;
    this.#description = { ...description, next: lastSequence + 1 };
    if (!description.isText && description.size === 0) this.#begin(true).end();
  }

  #read(text) {
    const { lines, reader } = this.#elements;
    this.#elements.onContent('text');
    show(reader, true);
    const isAtEnd = lines.scrollHeight - lines.scrollTop - lines.clientHeight < 80;
    lines.append(make('li', { textContent: text.slice(0, LINE_LENGTH) }));
    while (lines.childElementCount > LINES) lines.firstElementChild.remove();
    if (isAtEnd) lines.scrollTop = lines.scrollHeight;
  }

  #begin(isFromBeginning) {
    const { name = this.#header ? 'broadcast.webm' : 'broadcast.bin', size = null } = this.#description ?? {};
    const { downloads, files } = this.#elements;
    this.#elements.onContent('file');
    show(downloads, true);
    const file = new ReceivedFile(name, size, isFromBeginning);
    files.prepend(file.element);
    while (files.childElementCount > FILES) files.lastElementChild.remove();
    return file;
  }

  #keep(bytes, { sequence }) {
    if (!this.#file) {
      // A container's header makes any join point a beginning; bytes alone begin where the description ends.
      const isFromBeginning = this.#header !== null || !this.#description || sequence <= this.#description.next;
      this.#file = this.#begin(isFromBeginning);
      if (this.#header) this.#file.add(this.#header);
    }
    this.#total += bytes.length;
    if (this.#total > TOTAL) return this.#file.abandon('Too large for a page: use peer-tree watch.');
    this.#file.add(bytes);
    if (!this.#file.isComplete) return undefined;
    this.#file.end();
    this.#file = null;
    this.#description = null;
    return undefined;
  }

  /** A part of the stream will never come. */
  gap() {
    this.#file?.lost();
  }

  end() {
    this.#file?.end();
    this.#file = null;
  }
}

class ReceivedFile {
  #name;
  #size;
  #parts = [];
  #gathered = [];
  #gatheredBytes = 0;
  #bytes = 0;
  #isWhole;
  #isDone = false;
  #shownAt = 0;
  #status = make('small');
  #progress = make('progress');
  #actions = make('span');

  constructor(name, size, isWhole) {
    this.#name = name;
    this.#size = size;
    this.#isWhole = isWhole;
    const title = make('b', { textContent: name });
    this.element = make('li', { className: 'download' }, icon('file'), make('span', {}, title, this.#status), this.#actions, this.#progress);
    this.#progress.setAttribute('aria-label', `Progress of ${name}`);
    if (size) this.#progress.max = size;
    this.#show();
  }

  get isComplete() {
    return this.#size !== null && this.#bytes >= this.#size;
  }

  add(bytes) {
    if (this.#isDone) return;
    this.#gathered.push(bytes);
    this.#gatheredBytes += bytes.length;
    this.#bytes += bytes.length;
    if (this.#gatheredBytes >= GATHER) this.#gather();
    if (performance.now() - this.#shownAt > 200) this.#show();
  }

  #gather() {
    this.#parts.push(new Blob(this.#gathered));
    this.#gathered = [];
    this.#gatheredBytes = 0;
  }

  lost() {
    this.#isWhole = false;
  }

  end() {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#gather();
    const isShort = this.#size !== null && this.#bytes < this.#size;
    if (this.#bytes === 0 && isShort) return this.#finish('Nothing of it came.');
    if (this.#size !== null && (isShort || !this.#isWhole)) {
      return this.#finish('You came in the middle: parts are missing. Ask for it to be sent again.');
    }
    this.#finish(`${byteCount(this.#bytes)}${this.#isWhole ? '' : ', from when you came'}`);
    // Never the type that the source says: no browser shows or runs this.
    const blob = new Blob(this.#parts, { type: 'application/octet-stream' });
    const link = make('a', { className: 'button is-primary', part: 'button', href: URL.createObjectURL(blob), download: this.#name, textContent: 'Save' });
    link.setAttribute('aria-label', `Save ${this.#name}`);
    this.#actions.replaceChildren(link);
    return undefined;
  }

  abandon(text = 'It broke off.') {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#parts = [];
    this.#gathered = [];
    this.#finish(text);
  }

  #finish(text) {
    setText(this.#status, text);
    this.#progress.remove();
  }

  #show() {
    this.#shownAt = performance.now();
    if (this.#size) this.#progress.value = Math.min(this.#size, this.#bytes);
    setText(this.#status, this.#size === null ? `${byteCount(this.#bytes)} so far` : `${byteCount(this.#bytes)} of ${byteCount(this.#size)}`);
  }
}
