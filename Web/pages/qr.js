// QR codes (ISO/IEC 18004): bytes in, modules out. Error correction level M, the smallest version that fits.

const MAXIMUM_VERSION = 40;
/** Error correction codewords of a block, and blocks, by version, for level M. */
const CORRECTION = [
  10, 16, 26, 18, 24, 16, 18, 22, 22, 26, 30, 22, 22, 24, 24, 28, 28, 26, 26, 26,
  26, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28,
];
const BLOCKS = [
  1, 1, 1, 2, 2, 4, 4, 4, 5, 5, 5, 8, 9, 9, 10, 10, 11, 13, 14, 16,
  17, 17, 18, 20, 21, 23, 25, 26, 28, 29, 31, 33, 35, 37, 38, 40, 43, 45, 47, 49,
];
const MASKS = [
  (x, y) => (x + y) % 2 === 0,
  (x, y) => y % 2 === 0,
  (x) => x % 3 === 0,
  (x, y) => (x + y) % 3 === 0,
  (x, y) => (Math.floor(x / 3) + Math.floor(y / 2)) % 2 === 0,
  (x, y) => (x * y) % 2 + (x * y) % 3 === 0,
  (x, y) => ((x * y) % 2 + (x * y) % 3) % 2 === 0,
  (x, y) => ((x + y) % 2 + (x * y) % 3) % 2 === 0,
];

// Arithmetic in GF(256) with the polynomial x^8 + x^4 + x^3 + x^2 + 1.
const EXPONENTS = new Uint8Array(512);
const LOGARITHMS = new Uint8Array(256);
for (let power = 0, value = 1; power < 255; power++) {
  EXPONENTS[power] = value;
  EXPONENTS[power + 255] = value;
  LOGARITHMS[value] = power;
  value = value & 0x80 ? (value << 1) ^ 0x11d : value << 1;
}
const multiply = (a, b) => (a && b ? EXPONENTS[LOGARITHMS[a] + LOGARITHMS[b]] : 0);

/**
 * Encodes a text.
 *
 * @returns {size, modules}: the side in modules without the quiet zone, and one byte a module by rows, 1 for dark
 * @throws RangeError if the text has more than 2,331 bytes
 */
export function encodeQR(text) {
  const bytes = new TextEncoder().encode(text);
  const version = versionFor(bytes.length);
  const codewords = interleave(dataCodewords(bytes, version), version);
  let best = null;
  for (let mask = 0; mask < MASKS.length; mask++) {
    const symbol = new Symbol(version);
    symbol.drawCodewords(codewords, mask);
    symbol.drawFormat(mask);
    const penalty = symbol.penalty();
    if (!best || penalty < best.penalty) best = { penalty, symbol };
  }
  return { size: best.symbol.size, modules: best.symbol.modules };
}

function alignmentCount(version) {
  return version === 1 ? 0 : Math.floor(version / 7) + 2;
}

/** Modules that carry data or correction. */
function rawModules(version) {
  const alignments = alignmentCount(version);
  const patterns = alignments ? (25 * alignments - 10) * alignments - 55 : 0;
  return (16 * version + 128) * version + 64 - patterns - (version >= 7 ? 36 : 0);
}

function capacity(version) {
  return Math.floor(rawModules(version) / 8) - CORRECTION[version - 1] * BLOCKS[version - 1];
}

const lengthBits = (version) => (version < 10 ? 8 : 16);

function versionFor(length) {
  for (let version = 1; version <= MAXIMUM_VERSION; version++) {
    if (4 + lengthBits(version) + 8 * length <= 8 * capacity(version)) return version;
  }
  throw new RangeError(`A QR code does not hold ${length} bytes.`);
}

/** Mode, length, bytes, terminator and padding. */
function dataCodewords(bytes, version) {
  const bits = [];
  const push = (value, count) => {
    for (let bit = count - 1; bit >= 0; bit--) bits.push((value >>> bit) & 1);
  };
  push(0b0100, 4);
  push(bytes.length, lengthBits(version));
  for (const byte of bytes) push(byte, 8);
  const limit = 8 * capacity(version);
  push(0, Math.min(4, limit - bits.length));
  push(0, (8 - bits.length % 8) % 8);
  for (let pad = 0xec; bits.length < limit; pad ^= 0xec ^ 0x11) push(pad, 8);
  const words = new Uint8Array(limit / 8);
  bits.forEach((bit, index) => { words[index >> 3] |= bit << (7 - (index & 7)); });
  return words;
}

/** The generator polynomial's coefficients below the leading one, highest power first. */
function generator(degree) {
  const result = new Uint8Array(degree);
  result[degree - 1] = 1;
  for (let power = 0; power < degree; power++) {
    for (let index = 0; index < degree; index++) {
      result[index] = multiply(result[index], EXPONENTS[power]) ^ (result[index + 1] ?? 0);
    }
  }
  return result;
}

function correction(data, divisor) {
  const rest = new Uint8Array(divisor.length);
  for (const byte of data) {
    const factor = byte ^ rest[0];
    rest.copyWithin(0, 1);
    rest[rest.length - 1] = 0;
    for (let index = 0; index < rest.length; index++) rest[index] ^= multiply(divisor[index], factor);
  }
  return rest;
}

/** Splits the data into blocks, adds the correction of each, and deals the codewords out in turn. */
function interleave(data, version) {
  const count = BLOCKS[version - 1];
  const total = Math.floor(rawModules(version) / 8);
  const divisor = generator(CORRECTION[version - 1]);
  const shortBlocks = count - total % count;
  const shortLength = Math.floor(total / count) - divisor.length;
  const blocks = [];
  for (let index = 0, start = 0; index < count; index++) {
    const end = start + shortLength + (index < shortBlocks ? 0 : 1);
    const part = data.subarray(start, end);
    blocks.push({ part, check: correction(part, divisor) });
    start = end;
  }
  const result = [];
  for (let index = 0; index <= shortLength; index++) {
    for (const { part } of blocks) if (index < part.length) result.push(part[index]);
  }
  for (let index = 0; index < divisor.length; index++) for (const { check } of blocks) result.push(check[index]);
  return result;
}

class Symbol {
  constructor(version) {
    this.version = version;
    this.size = 17 + 4 * version;
    this.modules = new Uint8Array(this.size * this.size);
    this.isFunction = new Uint8Array(this.size * this.size);
    this.drawFunctions();
  }

  get(x, y) {
    return this.modules[y * this.size + x];
  }

  setFunction(x, y, isDark) {
    if (x < 0 || y < 0 || x >= this.size || y >= this.size) return;
    this.modules[y * this.size + x] = isDark ? 1 : 0;
    this.isFunction[y * this.size + x] = 1;
  }

  drawFunctions() {
    const { size } = this;
    for (let index = 0; index < size; index++) {
      this.setFunction(6, index, index % 2 === 0);
      this.setFunction(index, 6, index % 2 === 0);
    }
    for (const [x, y] of [[3, 3], [size - 4, 3], [3, size - 4]]) this.drawSquare(x, y, 4, (ring) => ring !== 2 && ring !== 4);
    const places = this.alignments();
    const last = places.length - 1;
    places.forEach((y, row) => places.forEach((x, column) => {
      const isFinder = (row === 0 && (column === 0 || column === last)) || (row === last && column === 0);
      if (!isFinder) this.drawSquare(x, y, 2, (ring) => ring !== 1);
    }));
    this.drawFormat(0);
    this.drawVersion();
  }

  drawSquare(centerX, centerY, radius, isDark) {
    for (let y = -radius; y <= radius; y++) {
      for (let x = -radius; x <= radius; x++) {
        this.setFunction(centerX + x, centerY + y, isDark(Math.max(Math.abs(x), Math.abs(y))));
      }
    }
  }

  alignments() {
    const count = alignmentCount(this.version);
    if (!count) return [];
    const step = Math.floor((this.version * 8 + count * 3 + 5) / (count * 4 - 4)) * 2;
    const places = [6];
    for (let index = count - 2; index >= 0; index--) places.push(this.size - 7 - index * step);
    return places;
  }

  drawFormat(mask) {
    // Level M is 00.
    let rest = mask;
    for (let index = 0; index < 10; index++) rest = (rest << 1) ^ ((rest >>> 9) * 0x537);
    const bits = ((mask << 10) | rest) ^ 0x5412;
    const bit = (index) => (bits >>> index) & 1;
    const { size } = this;
    for (let index = 0; index < 6; index++) this.setFunction(8, index, bit(index));
    this.setFunction(8, 7, bit(6));
    this.setFunction(8, 8, bit(7));
    this.setFunction(7, 8, bit(8));
    for (let index = 9; index < 15; index++) this.setFunction(14 - index, 8, bit(index));
    for (let index = 0; index < 8; index++) this.setFunction(size - 1 - index, 8, bit(index));
    for (let index = 8; index < 15; index++) this.setFunction(8, size - 15 + index, bit(index));
    this.setFunction(8, size - 8, 1);
  }

  drawVersion() {
    if (this.version < 7) return;
    let rest = this.version;
    for (let index = 0; index < 12; index++) rest = (rest << 1) ^ ((rest >>> 11) * 0x1f25);
    const bits = (this.version << 12) | rest;
    for (let index = 0; index < 18; index++) {
      const far = this.size - 11 + index % 3;
      const near = Math.floor(index / 3);
      this.setFunction(far, near, (bits >>> index) & 1);
      this.setFunction(near, far, (bits >>> index) & 1);
    }
  }

  /** In pairs of columns from the right, upwards and downwards in turn. */
  drawCodewords(codewords, mask) {
    const { size } = this;
    let index = 0;
    for (let right = size - 1; right >= 1; right -= 2) {
      if (right === 6) right = 5;
      const isUpward = ((right + 1) & 2) === 0;
      for (let step = 0; step < size; step++) {
        const y = isUpward ? size - 1 - step : step;
        for (const x of [right, right - 1]) {
          if (this.isFunction[y * size + x]) continue;
          const isSet = index < codewords.length * 8 && (codewords[index >> 3] >>> (7 - (index & 7))) & 1;
          this.modules[y * size + x] = (isSet ? 1 : 0) ^ (MASKS[mask](x, y) ? 1 : 0);
          index += 1;
        }
      }
    }
  }

  /** How hard the symbol is to read: the mask with the least is taken. */
  penalty() {
    const { size } = this;
    let result = 0;
    let dark = 0;
    for (let line = 0; line < size; line++) {
      result += this.linePenalty((index) => this.get(index, line));
      result += this.linePenalty((index) => this.get(line, index));
    }
    for (let y = 0; y < size; y++) {
      for (let x = 0; x < size; x++) {
        const module = this.get(x, y);
        dark += module;
        if (x + 1 < size && y + 1 < size && module === this.get(x + 1, y) && module === this.get(x, y + 1)
          && module === this.get(x + 1, y + 1)) result += 3;
      }
    }
    return result + 10 * Math.floor(Math.abs(dark * 20 - size * size * 10) / (size * size));
  }

  /** Runs of five and more, and what looks like a finder pattern. */
  linePenalty(at) {
    let result = 0;
    let run = 0;
    let history = 0;
    for (let index = 0; index < this.size; index++) {
      run = index > 0 && at(index) === at(index - 1) ? run + 1 : 1;
      if (run === 5) result += 3;
      else if (run > 5) result += 1;
      history = ((history << 1) | at(index)) & 0x7ff;
      if (index >= 10 && (history === 0b00001011101 || history === 0b10111010000)) result += 40;
    }
    return result;
  }
}
