/** Failed runs in the operator's log, with what finds them when a customer complains. */

import type { LiveRun, RunEnd, RunListener } from '../agents/run.ts';
import type { Logger } from './log.ts';

/** The same listener, with a line for each run that fails. It holds ids and kinds, and nothing that was said. */
export function logFailures(listener: RunListener, log: Logger): RunListener {
  return {
    ...listener,
    ended(run, end) {
      if (end.state === 'error') log.warn({ event: 'run_failed', ...idsOf(run), ...whyOf(end) });
      listener.ended(run, end);
    },
  };
}

function idsOf({ principal, record }: LiveRun): object {
  const { runId, sessionKey, sessionId } = record;
  return { user: principal.userId, instance: principal.instanceId, sessionKey, sessionId, runId };
}

function whyOf({ failure }: Extract<RunEnd, { state: 'error' }>): object {
  const { kind, provider, model, status, message } = failure;
  return { kind, provider, model, status, message };
}
