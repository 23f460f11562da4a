// Plays the inputs of transcripts to the module for browsers, and prints them with the outputs that came: the same text if
// all is as it is written. README.md has the format; the native counterpart is Transcript.swift.
// Usage: node replay.mjs FOLDER WASM FILE, where FOLDER has machine.js and the module that it imports

import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const [folder, binary, file] = process.argv.slice(2);
const mask = (1n << 64n) - 1n;

/** SplitMix64, as the Swift tests have it. */
class Generator {
  constructor(seed) {
    this.state = seed;
  }

  next() {
    this.state = (this.state + 0x9E3779B97F4A7C15n) & mask;
    let mixed = ((this.state ^ (this.state >> 30n)) * 0xBF58476D1CE4E5B9n) & mask;
    mixed = ((mixed ^ (mixed >> 27n)) * 0x94D049BB133111EBn) & mask;
    return mixed ^ (mixed >> 31n);
  }
}

// What the module asks its surroundings for. Other randomness than numbers of 64 bits decides nothing.
let generator = null;
let timeOfDay = 0;
const getRandomValues = (bytes) => {
  if (bytes.length === 8) new DataView(bytes.buffer, bytes.byteOffset).setBigUint64(0, generator.next(), true);
  return bytes;
};
Object.defineProperty(globalThis, 'crypto', { value: { getRandomValues } });
Date.now = () => timeOfDay;

const { Machine, joined } = await import(pathToFileURL(`${folder}/machine.js`));
const { OUTPUT } = await import(pathToFileURL(`${folder}/boundary.js`));
const wasm = await WebAssembly.compile(readFileSync(binary));

const OPTIONS = { capacity: 'capacity', stripes: 'stripes', reports: 'statusInterval', encrypted: 'encrypted' };
const LEFT_OUT = ['setLowThreshold', 'askRoundTrip', 'status'].map((name) => OUTPUT[name]);
const FAILURES = {
  'unknown-tree': 'unknownTree', 'server-timeout': 'timeout', 'server-unreachable': 'unreachable',
  'already-in-tree': 'alreadyInTree', closed: 'closed', 'unproven-tree': 'unproven',
};
// What a source signs, by the number that it has on the boundary.
const THINGS = ['block', 'head', 'pulse', 'creation'];
const hexadecimal = (bytes) => Buffer.from(bytes).toString('hex');

/** An output in the words of a transcript. */
function written([name, ...values]) {
  const [first, second, third] = values.map((value) => value ?? '-');
  switch (name) {
    case 'accept': return [name, first, third, second];
    case 'entryFailed': return [name, ...(FAILURES[first] ? [FAILURES[first]] : ['refused', first]), ...values.slice(1)];
    case 'ended': return [name, first === 'complete' ? 'complete' : 'sourceLost'];
    case 'neighbourGone': return [name, second, first === 0 ? 'parent' : 'child'];
    case 'gap': return [name];
    default: return [name, ...values.map((value) => value ?? '-')];
  }
}

/** The values of an input, from the words of a transcript. */
function values(name, words) {
  const rest = (from) => words.slice(from).join(' ');
  const optional = (text) => (text === '-' ? null : text);
  switch (name) {
    case 'enter': return [optional(rest(0))];
    case 'server': return [words[0], rest(1)];
    case 'serverUnreachable': return [words[0] === 'final', rest(1)];
    case 'networkChanged': return [words[0] === 'lost'];
    case 'candidate': return [Number(words[0]), optional(rest(1))];
    case 'serverNamed': return words;
    case 'signed': return [THINGS.indexOf(words[0]), Number(words[1]), Buffer.from(words[2], 'hex')];
    case 'verified': return [Number(words[0]), words[1] === 'true'];
    case 'described': case 'path': return [Number(words[0]), rest(1)];
    default: return words.map(Number);
  }
}

/** One transcript under way. */
class Transcript {
  now = 1000;
  hosts = [];
  joined = [];
  flying = [];
  sessions = [];

  async take(line) {
    const words = line.split(' ');
    if (words[1] === '<') return;
    console.log(line);
    if (['', '#', '=='].includes(words[0])) return;
    if (words[0] === '+') return this.pass(Number(words[1]));
    const host = (index) => this.hosts.find(({ name }) => name === words[index]);
    if (words[0] === 'clock') host(1).ahead = Number(words[2]);
    else if (words[0] === 'link') this.joined.push([[host(1), Number(words[2])], [host(3), Number(words[4])]]);
    else if (words[1] === '>') this.input(host(0), words[2], this.named(words.slice(3).join(' ')).split(' ').filter(Boolean));
    else await this.add(words);
  }

  async add([name, ...settings]) {
    const options = {};
    let publicKey = null;
    for (let index = 0; index < settings.length; index += 2) {
      if (settings[index] === 'identity') publicKey = Buffer.from(settings[index + 1], 'hex');
      else options[OPTIONS[settings[index]]] = Number(settings[index + 1]);
    }
    const host = { name, ahead: 0, generator: new Generator(BigInt(this.hosts.length + 1)) };
    this.hosts.push(host);
    this.enter(host);
    host.machine = await Machine.make(wasm, options, { publicKey }, this.now);
  }

  /** What follows happens on this host. */
  enter(host) {
    generator = host.generator;
    timeOfDay = 1_700_000_000_000 + this.now - 1000 + host.ahead;
  }

  input(host, name, words) {
    const { machine } = host;
    this.feed(host, () => {
      const bytes = () => new TextEncoder().encode(words.join(' '));
      if (name === 'sealed') return machine.sealed(new Uint8Array(Buffer.from(words[0], 'hex')), this.now);
      if (name === 'opened') return machine.opened(words[0] === '-' ? null : bytes(), this.now);
      if (name !== 'publish') return machine.input(name, values(name, words), this.now);
      const options = { isText: true, isJoinPoint: true, key: null };
      return machine.publish(bytes(), options, this.now);
    });
  }

  pass(milliseconds) {
    const end = this.now + milliseconds;
    for (;;) {
      const host = this.hosts.reduce((best, other) => (other.machine.deadline < best.machine.deadline ? other : best));
      if (host.machine.deadline > end) break;
      this.now = Math.max(this.now, host.machine.deadline);
      this.feed(host, () => host.machine.input('tick', [Date.now() * 1000], this.now));
    }
    this.now = end;
  }

  feed(host, action) {
    this.enter(host);
    action();
    this.drain(host);
    while (this.flying.length > 0) {
      const { to: [other, link], bytes, isText } = this.flying.shift();
      this.enter(other);
      other.machine.received(link, bytes, isText, this.now);
      this.drain(other);
    }
  }

  drain(host) {
    const { machine } = host;
    for (let kind = machine.nextOutput(); kind !== OUTPUT.nothing; kind = machine.nextOutput()) {
      const link = machine.value(0);
      if (kind === OUTPUT.send) {
        this.send(host, link, machine.frame().slice(), false);
      } else if (kind === OUTPUT.sendMessage) {
        const { payload, isText } = machine.message(1);
        this.send(host, link, payload, isText);
      } else if (kind === OUTPUT.askBuffered) {
        machine.input('buffered', [link, 0], this.now);
      } else if (kind === OUTPUT.deliver) {
        const { payload, lastSequence } = machine.message(0);
        console.log(`${host.name} < deliver ${new TextDecoder().decode(payload)}`);
        machine.input('consumed', [lastSequence], this.now);
      } else if (kind === OUTPUT.seal || kind === OUTPUT.open) {
        const [streamID, nonce, authenticated, ...parts] = machine.parts;
        const facts = [streamID, nonce, authenticated, joined(parts)].map(hexadecimal);
        console.log(`${host.name} < ${kind === OUTPUT.seal ? 'seal' : 'open'} ${facts.join(' ')}`);
      } else if (kind === OUTPUT.sign) {
        const [thing, number] = [THINGS[machine.value(0)], machine.value(1)];
        console.log(`${host.name} < sign ${thing} ${number} ${hexadecimal(machine.parts[0])}`);
      } else if (kind === OUTPUT.verify) {
        console.log(`${host.name} < verify ${machine.value(0)} ${machine.parts.map(hexadecimal).join(' ')}`);
      } else if (!LEFT_OUT.includes(kind)) {
        console.log(`${host.name} < ${this.symbolic(written(machine.output(kind)).join(' '))}`);
      }
    }
  }

  send(host, link, bytes, isText) {
    const isHere = ([end, number]) => end === host && number === link;
    for (const [one, other] of this.joined) {
      if (isHere(one) || isHere(other)) this.flying.push({ to: isHere(one) ? other : one, bytes, isText });
    }
  }

  symbolic(text) {
    const session = /"sessionId":"([0-9a-z]{26})"/.exec(text)?.[1];
    if (session && !this.sessions.includes(session)) this.sessions.push(session);
    const named = this.sessions.reduce((result, name, index) => result.replaceAll(name, `$${index + 1}`), text);
    return named.replaceAll(/"rate":[0-9]+/g, '"rate":0');
  }

  named(text) {
    return text.replaceAll(/\$([0-9]+)/g, (whole, number) => this.sessions[number - 1] ?? whole);
  }
}

let transcript = null;
for (const line of readFileSync(file, 'utf8').trimEnd().split('\n')) {
  if (line.startsWith('== ') || !transcript) transcript = new Transcript();
  await transcript.take(line);
}
