/** Notices an upstream that has fallen silent. The SDKs' own timeouts end with the headers. */

export interface SilenceTimer {
  /** Upstream owes us something from now on. */
  expect(): void;
  /** It spoke. Until the next `expect` it may take its time: the reader is busy, not upstream. */
  heard(): void;
  /** For good. */
  stop(): void;
}

/**
 * Calls `onSilence` once if `expect` is not followed by `heard` within `silenceMs` milliseconds.
 * Re-arming moves one timer and allocates nothing, so it can be done for every token.
 */
export function createSilenceTimer(silenceMs: number, onSilence: () => void): SilenceTimer {
  return new Timer(silenceMs, onSilence);
}

class Timer implements SilenceTimer {
  readonly #silenceMs: number;
  readonly #onSilence: () => void;
  #waiting = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(silenceMs: number, onSilence: () => void) {
    this.#silenceMs = silenceMs;
    this.#onSilence = onSilence;
  }

  expect(): void {
    this.#waiting = true;
    if (this.#timer) this.#timer.refresh();
    else this.#timer = setTimeout(() => this.#fire(), this.#silenceMs);
  }

  heard(): void {
    this.#waiting = false;
  }

  stop(): void {
    this.#waiting = false;
    clearTimeout(this.#timer);
  }

  #fire(): void {
    if (!this.#waiting) return;
    this.#waiting = false;
    this.#onSilence();
  }
}
