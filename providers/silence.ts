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
  let waiting = false;
  let timer: NodeJS.Timeout | undefined;
  const fire = () => {
    if (!waiting) return;
    waiting = false;
    onSilence();
  };
  return {
    expect() {
      waiting = true;
      if (timer) timer.refresh();
      else timer = setTimeout(fire, silenceMs);
    },
    heard() {
      waiting = false;
    },
    stop() {
      waiting = false;
      clearTimeout(timer);
    },
  };
}
