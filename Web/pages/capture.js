// Cameras, screens and files as sources, and in one sentence what is wrong when they are not to be had.

/** A source that cannot be used: why, and whether the page may try again by itself once something changes. */
export class CaptureError extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

const SENTENCES = {
  NotAllowedError: ['denied', (thing) => `The browser does not let this page use the ${thing}. Allow it in the address bar: the page goes on by itself.`],
  SecurityError: ['denied', (thing) => `The browser does not let this page use the ${thing}. Allow it in its settings.`],
  NotFoundError: ['none', (thing) => `No ${thing} was found. Connect one: the page goes on by itself.`],
  NotReadableError: ['busy', (thing) => `The ${thing} is in use by another program, or does not answer. Close that program and try again.`],
  AbortError: ['busy', (thing) => `The ${thing} stopped answering. Try again.`],
  OverconstrainedError: ['none', (thing) => `The chosen ${thing} is gone. Choose another one.`],
};

function explain(error, thing) {
  const [code, sentence] = SENTENCES[error?.name] ?? ['failed', () => `The ${thing} cannot be used: ${error?.message ?? error}.`];
  return new CaptureError(code, sentence(thing));
}

function requireDevices() {
  if (navigator.mediaDevices?.getUserMedia) return;
  throw new CaptureError('insecure', isSecureContext
    ? 'This browser offers no cameras to pages.' : 'Browsers give cameras and screens only to pages that were loaded over HTTPS.');
}

/**
 * Opens a camera, with a microphone if one is wanted and to be had.
 *
 * @param camera the id of the device; empty takes the usual one
 * @param microphone likewise; `none` for no sound
 */
export async function openCamera({ camera, microphone }) {
  requireDevices();
  const device = (id) => (id ? { deviceId: { exact: id } } : {});
  const video = { ...device(camera), width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } };
  const audio = microphone === 'none' ? false : { ...device(microphone), echoCancellation: true, noiseSuppression: true };
  try {
    return await navigator.mediaDevices.getUserMedia({ video, audio });
  } catch (error) {
    const isMissing = ['NotFoundError', 'OverconstrainedError', 'NotReadableError'].includes(error?.name);
    if (!audio || !isMissing) throw explain(error, 'camera');
  }
  // Perhaps it is the microphone that is missing: pictures alone are better than nothing.
  return navigator.mediaDevices.getUserMedia({ video }).catch((error) => { throw explain(error, 'camera'); });
}

export async function openScreen() {
  if (!navigator.mediaDevices?.getDisplayMedia) {
    throw new CaptureError('insecure', isSecureContext
      ? 'This browser cannot share a screen.' : 'Browsers share a screen only with pages that were loaded over HTTPS.');
  }
  try {
    return await navigator.mediaDevices.getDisplayMedia({ video: { frameRate: { ideal: 30 } }, audio: true });
  } catch (error) {
    if (error?.name === 'NotAllowedError') throw new CaptureError('cancelled', 'No screen was chosen. Choose one to go on.');
    throw explain(error, 'screen');
  }
}

/** Plays a file in a video element and captures what it shows. */
export async function playFile(video, file) {
  const capture = video.captureStream ?? video.mozCaptureStream;
  if (!capture) throw new CaptureError('failed', 'This browser cannot play a file to others. Send it as a file to keep.');
  video.srcObject = null;
  video.src = URL.createObjectURL(file);
  try {
    await video.play();
  } catch {
    throw new CaptureError('failed', 'This browser cannot play that file. Send it as a file to keep.');
  }
  return capture.call(video);
}

/** The devices of a kind (`videoinput`, `audioinput`), as far as the browser tells of them. */
export async function listDevices(kind) {
  const devices = await navigator.mediaDevices?.enumerateDevices?.().catch(() => []) ?? [];
  return devices.filter((device) => device.kind === kind && device.deviceId !== '');
}

/** Calls back whenever a camera may have become available: one was connected, or its use was allowed. */
export function onCameraChange(callback) {
  navigator.mediaDevices?.addEventListener?.('devicechange', callback);
  navigator.permissions?.query?.({ name: 'camera' }).then(
    (permission) => permission.addEventListener('change', () => permission.state === 'granted' && callback()),
    () => {},
  );
}

export function stopStream(stream) {
  for (const track of stream?.getTracks() ?? []) track.stop();
}
