// Server-sent events (WHATWG HTML, 9.2) read with fetch, because an EventSource cannot send an Authorization header.

const MAXIMUM_BUFFER = 8 << 20;

/**
 * Reads the events of a response until it ends.
 *
 * @param take called with the name and the data of each event
 * @throws RangeError if an event is larger than 8 MiB
 */
export async function readEvents(response, take) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    buffer += value;
    let end = buffer.indexOf('\n\n');
    let start = 0;
    while (end >= 0) {
      readEvent(buffer.slice(start, end), take);
      start = end + 2;
      end = buffer.indexOf('\n\n', start);
    }
    buffer = buffer.slice(start);
    if (buffer.length > MAXIMUM_BUFFER) throw new RangeError('An event is larger than 8 MiB.');
  }
}

function readEvent(text, take) {
  let name = 'message';
  const data = [];
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') name = value;
    else if (field === 'data') data.push(value);
  }
  if (data.length > 0) take(name, data.join('\n'));
}
