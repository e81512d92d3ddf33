/**
 * What the operator is told about checkpoints. One that fails means nothing: somebody reads for a moment, and the next
 * one does it. Where they fail for long, the log grows until the disk is full, and nothing else would say so, for
 * commits go on.
 */

export interface CheckpointTrouble {
  /** Ends a sentence for the operator. */
  reason: string;
  /** What the log takes on the disk now. */
  logBytes: number;
}

export interface CheckpointHealth {
  failed(reason: string, logBytes: number): void;
  succeeded(): void;
  /** A trouble was told and its end was not, so checkpoints go on also while nobody writes. */
  isTroubled(): boolean;
}

export interface CheckpointHealthOptions {
  /** Milliseconds of a clock that never goes back. */
  now?: (() => number) | undefined;
  /** Called when checkpoints have failed for long, and with nothing when they have worked again for as long. */
  onTrouble?: ((trouble: CheckpointTrouble | undefined) => void) | undefined;
}

/** How long either has to last before it is told, in milliseconds: a log that is held now and then is told of once. */
const LASTING_MS = 60_000;

export function createCheckpointHealth(options: CheckpointHealthOptions = {}): CheckpointHealth {
  const { now = () => performance.now(), onTrouble } = options;
  let told = false;
  /** Since when it is otherwise than was told, without a break. */
  let otherwiseSince: number | undefined;

  function seen(trouble: CheckpointTrouble | undefined): void {
    const isTrouble = trouble !== undefined;
    if (isTrouble === told) {
      otherwiseSince = undefined;
      return;
    }
    otherwiseSince ??= now();
    if (now() - otherwiseSince < LASTING_MS) return;
    otherwiseSince = undefined;
    told = isTrouble;
    onTrouble?.(trouble);
  }

  return {
    failed: (reason, logBytes) => seen({ reason, logBytes }),
    succeeded: () => seen(undefined),
    isTroubled: () => told,
  };
}
