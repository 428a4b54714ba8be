/** Ask again and again, while anybody looks. */

import { pause } from "./api.js";

/**
 * Call `ask` at once and then every `milliseconds` until the signal ends it. A hidden page asks
 * nothing; what fails is asked again, ever more slowly.
 */
export async function every(milliseconds, signal, ask) {
  let failures = 0;
  while (!signal.aborted) {
    try {
      if (!document.hidden) await ask();
      failures = 0;
    } catch (error) {
      if (error.name === "AbortError") return;
      if (error.status && error.status < 500 && error.status !== 429 && error.status !== 401) throw error;
      failures += 1;
    }
    try {
      await pause(Math.min(15_000, milliseconds * 2 ** Math.min(failures, 6)), signal);
    } catch {
      return;
    }
  }
}

/** A list that forgets its oldest entries. */
export class Ring {
  constructor(most) {
    this.most = most;
    this.items = [];
  }

  push(item) {
    this.items.push(item);
    if (this.items.length > this.most) this.items.splice(0, this.items.length - this.most);
  }
}
