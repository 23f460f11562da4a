// Figures for people.

const UNITS = ['', 'k', 'M', 'G', 'T'];

function scaled(value, base = 1000) {
  let unit = 0;
  let rest = value;
  while (rest >= base * 0.9995 && unit < UNITS.length - 1) {
    rest /= base;
    unit += 1;
  }
  const digits = unit === 0 || rest >= 100 ? 0 : rest >= 10 ? 1 : 2;
  return [String(Number(rest.toFixed(digits))), UNITS[unit]];
}

const isKnown = (value) => typeof value === 'number' && Number.isFinite(value);

/** What is shown for a figure that is not known. */
export const UNKNOWN = '–';

export function bitRate(bytesPerSecond) {
  if (!isKnown(bytesPerSecond) || bytesPerSecond < 0) return UNKNOWN;
  const [number, unit] = scaled(bytesPerSecond * 8);
  return `${number} ${unit}bit/s`;
}

export function byteCount(bytes) {
  if (!isKnown(bytes) || bytes < 0) return UNKNOWN;
  const [number, unit] = scaled(bytes);
  return `${number} ${unit}B`;
}

export function milliseconds(value) {
  if (!isKnown(value) || value < 0) return UNKNOWN;
  if (value >= 9995) return `${(value / 1000).toFixed(0)} s`;
  if (value >= 999.5) return `${(value / 1000).toFixed(1)} s`;
  return `${value < 9.95 ? Number(value.toFixed(1)) : value.toFixed(0)} ms`;
}

export function count(value) {
  return isKnown(value) ? Math.round(value).toLocaleString('en') : UNKNOWN;
}

/** Minutes and seconds, or hours, minutes and seconds. */
export function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (value) => String(value).padStart(2, '0');
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/** `1 viewer`, `2 viewers`. */
export function plural(value, one, many = `${one}s`) {
  return `${count(value)} ${value === 1 ? one : many}`;
}

const CODECS = {
  vp8: 'VP8', vp09: 'VP9', av01: 'AV1', avc1: 'H.264', avc3: 'H.264', hvc1: 'H.265', hev1: 'H.265',
};

/** A codec string of WebCodecs as people say it. */
export function codecName(codec) {
  const [start] = codec.slice(0, 64).split('.');
  return CODECS[start] ?? start;
}
