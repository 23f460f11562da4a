// Small helpers of the pages.

/** The element with this id. */
export const $ = (id) => document.getElementById(id);

export const prefersReducedMotion = () => matchMedia('(prefers-reduced-motion: reduce)').matches;

/** A value of the style sheet. */
export const styleValue = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** What the address says behind #, such as `#token=…`. It is never sent to the server. */
export function fragmentValue(name) {
  return new URLSearchParams(location.hash.slice(1)).get(name);
}

/** The options of a client that has the token of the address. */
export function clientOptions() {
  const token = fragmentValue('token');
  return token ? { auth: { token } } : {};
}
