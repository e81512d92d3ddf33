/** `session.maintenance`: what nobody has used for long leaves the store, at the start and then every hour. */

import type { RetentionRules, SessionStore } from '../agents/sessions/store.ts';
import type { Config } from './config/schema.ts';
import { durationMs } from './config/settings.ts';
import type { Hub } from './hub.ts';
import type { Logger } from './log.ts';

const HOUR_MS = 3_600_000;

export interface RetentionOptions {
  config: () => Config;
  store: SessionStore;
  hub: Pick<Hub, 'sessionChanged'>;
  log: Logger;
  now: () => number;
}

export interface Retention {
  stop(): void;
}

/** Looks at once, then every hour; rules that were edited count from the next look on. */
export function startRetention(options: RetentionOptions): Retention {
  let busy = false;
  let stopped = false;
  const look = async (): Promise<void> => {
    const rules = rulesOf(options.config(), options.now());
    if (!rules || busy) return;
    busy = true;
    try {
      await apply(rules, options);
    } catch (err) {
      // What a stop interrupts goes on after the next start.
      if (!stopped) options.log.warn({ event: 'retention_failed', err });
    } finally {
      busy = false;
    }
  };
  void look();
  const timer = setInterval(() => void look(), HOUR_MS);
  return {
    stop() {
      stopped = true;
      clearInterval(timer);
    },
  };
}

async function apply(rules: RetentionRules, { store, hub, log }: RetentionOptions): Promise<void> {
  const sessions = await store.retire(rules, ({ principal, key }) => {
    if (!rules.dryRun) hub.sessionChanged(principal, key, 'delete');
  });
  if (sessions > 0) log.info({ event: 'retention', sessions, removed: !rules.dryRun });
}

/** Nothing if there is no rule. */
function rulesOf({ session }: Config, now: number): RetentionRules | undefined {
  const { mode, pruneAfter, maxEntries } = session.maintenance;
  if (pruneAfter === undefined && maxEntries === undefined) return undefined;
  return {
    ...(pruneAfter !== undefined && { updatedBefore: now - durationMs(pruneAfter) }),
    ...(maxEntries !== undefined && { maxEntries }),
    dryRun: mode === 'warn',
  };
}
