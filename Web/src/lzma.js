// A decoder of LZMA (the .lzma form that Python's `lzma` writes), in which the WebAssembly is packed: it comes out a
// fifth smaller than with what browsers can unpack themselves.

const PROBABILITY_BITS = 11;
const HALF = 1 << (PROBABILITY_BITS - 1);
const MATCH_MINIMUM = 2;

/** Unpacks `input`, whose header says how long the result is. */
export function unpackLZMA(input) {
  const view = new DataView(input.buffer, input.byteOffset);
  const lc = input[0] % 9;
  const lp = Math.floor(input[0] / 9) % 5;
  const pb = Math.floor(input[0] / 45);
  const output = new Uint8Array(view.getUint32(5, true));
  const coder = new RangeDecoder(input, 13);
  const tables = (count, size) => Array.from({ length: count }, () => probabilities(size));
  const literals = tables(1 << (lc + lp), 0x300);
  const isMatch = tables(12, 1 << pb);
  const isRep = probabilities(12);
  const isRepG0 = probabilities(12);
  const isRepG1 = probabilities(12);
  const isRepG2 = probabilities(12);
  const isRep0Long = tables(12, 1 << pb);
  const slots = tables(4, 64);
  const special = probabilities(128);
  const align = probabilities(16);
  const matchLength = new LengthDecoder(coder, 1 << pb);
  const repLength = new LengthDecoder(coder, 1 << pb);
  let reps = [0, 0, 0, 0];
  let state = 0;
  let at = 0;

  const literal = () => {
    const previous = at > 0 ? output[at - 1] : 0;
    const table = literals[((at & ((1 << lp) - 1)) << lc) + (previous >> (8 - lc))];
    let symbol = 1;
    if (state >= 7) {
      let match = output[at - reps[0] - 1];
      while (symbol < 0x100) {
        const bit = (match >> 7) & 1;
        match <<= 1;
        const found = coder.bit(table, ((1 + bit) << 8) + symbol);
        symbol = (symbol << 1) | found;
        if (bit !== found) break;
      }
    }
    while (symbol < 0x100) symbol = (symbol << 1) | coder.bit(table, symbol);
    output[at++] = symbol;
    state = state < 4 ? 0 : state < 10 ? state - 3 : state - 6;
  };

  const distance = (length) => {
    const slot = coder.tree(slots[Math.min(length - MATCH_MINIMUM, 3)], 6);
    if (slot < 4) return slot;
    const bits = (slot >> 1) - 1;
    const base = (2 | (slot & 1)) << bits;
    if (slot < 14) return base + coder.reverseTree(special, base - slot, bits);
    return base + (coder.direct(bits - 4) << 4) + coder.reverseTree(align, 0, 4);
  };

  /** Takes the distance of an earlier match to the front. */
  const repeated = (which) => {
    const [chosen] = reps.splice(which, 1);
    reps.unshift(chosen);
  };

  while (at < output.length) {
    const position = at & ((1 << pb) - 1);
    if (!coder.bit(isMatch[state], position)) {
      literal();
      continue;
    }
    let length;
    if (!coder.bit(isRep, state)) {
      length = matchLength.next(position);
      reps = [distance(length), ...reps.slice(0, 3)];
      state = state < 7 ? 7 : 10;
    } else {
      if (!coder.bit(isRepG0, state)) {
        if (!coder.bit(isRep0Long[state], position)) {
          output[at] = output[at - reps[0] - 1];
          at += 1;
          state = state < 7 ? 9 : 11;
          continue;
        }
      } else if (!coder.bit(isRepG1, state)) {
        repeated(1);
      } else {
        repeated(coder.bit(isRepG2, state) ? 3 : 2);
      }
      length = repLength.next(position);
      state = state < 7 ? 8 : 11;
    }
    for (; length > 0; length--, at++) output[at] = output[at - reps[0] - 1];
  }
  return output;
}

function probabilities(count) {
  return new Uint16Array(count).fill(HALF);
}

class RangeDecoder {
  constructor(input, at) {
    this.input = input;
    this.range = 0xffffffff;
    this.code = new DataView(input.buffer, input.byteOffset).getUint32(at + 1);
    this.at = at + 5;
  }

  normalize() {
    if (this.range >= 0x1000000) return;
    this.range = (this.range << 8) >>> 0;
    this.code = ((this.code << 8) | this.input[this.at++]) >>> 0;
  }

  bit(table, index) {
    const bound = (this.range >>> PROBABILITY_BITS) * table[index];
    const isOne = this.code >= bound;
    if (isOne) {
      this.range -= bound;
      this.code -= bound;
      table[index] -= table[index] >> 5;
    } else {
      this.range = bound;
      table[index] += ((1 << PROBABILITY_BITS) - table[index]) >> 5;
    }
    this.normalize();
    return isOne ? 1 : 0;
  }

  direct(count) {
    let value = 0;
    for (let i = 0; i < count; i++) {
      this.range >>>= 1;
      const isOne = this.code >= this.range;
      if (isOne) this.code -= this.range;
      value = (value << 1) | (isOne ? 1 : 0);
      this.normalize();
    }
    return value;
  }

  tree(table, bits, start = 0) {
    let symbol = 1;
    for (let i = 0; i < bits; i++) symbol = (symbol << 1) | this.bit(table, start + symbol);
    return symbol - (1 << bits);
  }

  reverseTree(table, start, bits) {
    let symbol = 1;
    let value = 0;
    for (let i = 0; i < bits; i++) {
      const found = this.bit(table, start + symbol);
      symbol = (symbol << 1) | found;
      value |= found << i;
    }
    return value;
  }
}

class LengthDecoder {
  constructor(coder, positions) {
    this.coder = coder;
    this.choice = probabilities(2);
    this.low = Array.from({ length: positions }, () => probabilities(8));
    this.middle = Array.from({ length: positions }, () => probabilities(8));
    this.high = probabilities(256);
  }

  next(position) {
    const { coder, choice } = this;
    if (!coder.bit(choice, 0)) return MATCH_MINIMUM + coder.tree(this.low[position], 3);
    if (!coder.bit(choice, 1)) return MATCH_MINIMUM + 8 + coder.tree(this.middle[position], 3);
    return MATCH_MINIMUM + 16 + coder.tree(this.high, 8);
  }
}
