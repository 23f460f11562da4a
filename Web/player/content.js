// What a stream says of a file or text that it carries (key 2). It comes from outside: nothing in it is believed.

const MAXIMUM_DESCRIPTION = 65_536;
const MAXIMUM_NAME = 120;
const RESERVED = ['con', 'prn', 'aux', 'nul', ...Array.from({ length: 9 }, (_, index) => [`com${index + 1}`, `lpt${index + 1}`]).flat()];
/** Controls, and marks that turn the direction of text, so that `gpj.exe` reads as something else. */
const INVISIBLE = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/gu;
const FORBIDDEN = /[<>:"|?*]/g;

/** A file name that is only that: no folders, nothing hidden, nothing that any system gives a meaning to. */
export function safeFileName(name, fallback = 'download') {
  if (typeof name !== 'string') return fallback;
  const last = name.slice(-4096).split(/[/\\]/).pop();
  let text = last.toWellFormed?.() ?? last;
  text = text.replace(INVISIBLE, '').replace(FORBIDDEN, '_').replace(/\s+/gu, ' ');
  text = text.replace(/^[. ]+/, '').replace(/[. ]+$/, '');
  const characters = [...text];
  if (characters.length > MAXIMUM_NAME) {
    const dot = text.lastIndexOf('.');
    const ending = dot > 0 && [...text.slice(dot)].length <= 16 ? [...text.slice(dot)] : [];
    text = characters.slice(0, MAXIMUM_NAME - ending.length).join('') + ending.join('');
  }
  if (RESERVED.includes(text.split('.')[0].toLowerCase())) text = `_${text}`;
  return text === '' ? fallback : text;
}

/** Reads a description; null if it is none. */
export function readDescription(text) {
  if (typeof text !== 'string' || text.length > MAXIMUM_DESCRIPTION) return null;
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (value?.content !== 1) return null;
  const type = typeof value.type === 'string' && value.type.length <= 128 ? value.type.toLowerCase() : '';
  return {
    name: safeFileName(value.name),
    isText: type === 'text/plain' || type.startsWith('text/plain;'),
    size: Number.isSafeInteger(value.size) && value.size >= 0 ? value.size : null,
  };
}

export function writeDescription({ name, type, size }) {
  return JSON.stringify({ content: 1, name, type: type || 'application/octet-stream', size });
}
