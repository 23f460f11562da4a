// Small helpers of the pages.

/** The element with this id. */
export const $ = (id) => document.getElementById(id);

/** An element with properties and children; texts become text nodes, never markup. */
export function make(name, properties = {}, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Sets the text of an element if it is another one, so that screen readers hear of changes only. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function show(element, isShown) {
  element.hidden = !isShown;
}

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

/** Calls back in one, two, four … up to `longest` seconds, by turns. */
export class Backoff {
  #first;
  #longest;
  #next;
  #timer = null;

  constructor(first = 1, longest = 15) {
    [this.#first, this.#longest, this.#next] = [first, longest, first];
  }

  get isWaiting() {
    return this.#timer !== null;
  }

  wait(callback) {
    this.cancel();
    this.#timer = setTimeout(() => {
      this.#timer = null;
      callback();
    }, this.#next * 1000 * (0.8 + Math.random() * 0.4));
    this.#next = Math.min(this.#longest, this.#next * 2);
  }

  cancel() {
    clearTimeout(this.#timer);
    this.#timer = null;
  }

  reset() {
    this.cancel();
    this.#next = this.#first;
  }
}
