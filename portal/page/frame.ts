/** Work that is done at most once per animation frame, however often it is asked for. */

export interface PerFrame {
  request(): void;
  /** Does waiting work now. */
  flush(): void;
}

export function perFrame(work: () => void): PerFrame {
  let handle: number | undefined;
  const run = () => {
    handle = undefined;
    work();
  };
  return {
    request() {
      handle ??= requestAnimationFrame(run);
    },
    flush() {
      if (handle === undefined) return;
      cancelAnimationFrame(handle);
      run();
    },
  };
}
