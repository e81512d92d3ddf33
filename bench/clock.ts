/** One clock for all processes of a run. */

/**
 * Milliseconds of the system's monotonic clock (CLOCK_MONOTONIC on Linux), with fractions. It has
 * the same origin in every process of a machine, which `performance.now()` has not.
 */
export function now(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
