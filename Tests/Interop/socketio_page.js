// What a page does with the real socket.io-client against socketio-echo. Every function resolves to plain data.

// Nothing is waited for without an end: a test that waits in vain says for what.
const LIMIT = 30000;
const within = (what, begin) =>
  new Promise((resolve, reject) => {
    setTimeout(() => reject(new Error(`${what}: not within ${LIMIT} ms`)), LIMIT);
    begin(resolve, reject);
  });
const connected = (socket) =>
  within("connect", (resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("connect_error", reject);
  });
const next = (emitter, event) => within(event, (resolve) => emitter.once(event, (...data) => resolve(data)));
const call = (socket, ...all) => within("acknowledgement", (resolve) => socket.emit(...all, (...data) => resolve(data)));
const upgraded = async (socket, transport) => {
  const end = performance.now() + LIMIT;
  while (socket.io.engine.transport.name !== transport && performance.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
};
const bytes = (value) =>
  value instanceof ArrayBuffer
    ? { bytes: [...new Uint8Array(value)] }
    : Array.isArray(value)
      ? value.map(bytes)
      : value !== null && typeof value === "object"
        ? Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, bytes(inner)]))
        : value;

window.echo = async (transports) => {
  const socket = io({ transports, auth: { token: "123" }, forceNew: true });
  const auth = next(socket, "auth");
  await connected(socket);
  const result = { auth: await auth, id: socket.id, engine: socket.io.engine.id, back: [], acknowledged: [] };
  const binary = new Uint8Array([0, 1, 254, 255]).buffer;
  for (const data of [[1, "2", { 3: [true] }], ["é😀", null, 1.5], [binary, { b: [binary] }], ["x".repeat(200_000)]]) {
    const back = next(socket, "message-back");
    socket.emit("message", ...data);
    result.back.push(bytes(await back));
    // The reference client hands only the first argument of an acknowledgement to a promise.
    result.acknowledged.push(bytes(await call(socket, "message-with-ack", ...data)));
  }
  await upgraded(socket, transports.at(-1));
  result.transport = socket.io.engine.transport.name;
  // The next ping comes only once the last was answered.
  for (let beat = 0; beat < 4; beat++) await next(socket.io, "ping");
  result.stillConnected = socket.connected && socket.id === result.id;
  const gone = next(socket, "disconnect");
  socket.disconnect();
  result.gone = await gone;
  return result;
};

window.namespaces = async (transports) => {
  const manager = new io.Manager({ transports });
  const main = manager.socket("/", { auth: { a: 1 } });
  const custom = manager.socket("/custom", { auth: { b: 2 } });
  const auths = [next(main, "auth"), next(custom, "auth")];
  const unknown = manager.socket("/random");
  const [refusal] = await next(unknown, "connect_error");
  const answers = await Promise.all(auths);
  const silent = await main
    .timeout(100)
    .emitWithAck("nobody answers this")
    .catch((error) => error.message);
  // A volatile event is dropped while the transport cannot write: during a change of transports, or behind a request.
  const back = next(main, "message-back");
  const timer = setInterval(() => main.volatile.emit("message", "volatile"), 50);
  const volatile = await back.finally(() => clearInterval(timer));
  const differ = main.id !== custom.id;
  for (const socket of [main, custom, unknown]) socket.disconnect();
  return { answers, refusal: refusal.message, silent, volatile, differ };
};

// Joins, and stays, so that the test can end and restart the server meanwhile.
window.stay = async (transports) => {
  window.staying = io({ transports, forceNew: true, reconnectionDelay: 100, reconnectionDelayMax: 300 });
  window.lost = next(window.staying, "disconnect");
  await connected(window.staying);
  return window.staying.id;
};
window.comeBack = async () => {
  const reason = await window.lost;
  if (!window.staying.connected) await connected(window.staying);
  const back = next(window.staying, "message-back");
  window.staying.emit("message", "again");
  const result = { reason, id: window.staying.id, back: await back };
  window.staying.disconnect();
  return result;
};

// Loses the connection of one socket, and finds out whether it gets what another one makes the server send meanwhile.
window.recover = async (transports) => {
  const options = { transports, forceNew: true, reconnectionDelay: 300, reconnectionDelayMax: 300 };
  const [lossy, other] = [io(options), io(options)];
  const heard = [];
  lossy.on("broadcasted", (...data) => heard.push(data));
  await Promise.all([connected(lossy), connected(other)]);
  const id = lossy.id;
  const first = next(lossy, "broadcasted");
  other.emit("broadcast", "before");
  await first;
  const lost = next(lossy, "disconnect");
  lossy.io.engine.close();
  await lost;
  const told = next(other, "broadcasted");
  other.emit("broadcast", "meanwhile", new Uint8Array([7]).buffer);
  await told;
  const missed = next(lossy, "broadcasted");
  await connected(lossy);
  await missed;
  const last = next(lossy, "broadcasted");
  other.emit("broadcast", "after");
  await last;
  const result = { recovered: lossy.recovered, sameID: lossy.id === id, heard: bytes(heard.map((data) => data.slice(0, -1))) };
  lossy.disconnect();
  other.disconnect();
  return result;
};
