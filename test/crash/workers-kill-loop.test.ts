/**
 * Workers are killed again and again while users write, one at a time and both at once; the supervisor stays. Pages
 * come back wherever they are let in, and send again what was not acknowledged. At the end an auditor
 * compares every acknowledgement with the file.
 */

import { join } from 'node:path';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import type { Client } from '../support/client.ts';
import { isTerminal } from '../support/client.ts';
import { testConfig } from '../support/config.ts';
import { pause } from '../support/upstream/http.ts';
import {
  DONE,
  events,
  finish,
  lastUserText,
  role,
  startOpenAiUpstream,
  text,
} from '../support/upstream/openai.ts';
import { connectAnywhere, startWorkers } from '../support/workers.ts';
import { audit, type Promised } from './auditor.ts';

const ROUNDS = Number(process.env['OC_WORKER_KILLS'] ?? 4);
const USERS = ['ann', 'bob', 'cem', 'dan'];
const MAX_ACKNOWLEDGED_PER_ROUND = 25;
/** Acknowledged after the kill, until the dead are back: by those who live, and those who took over. */
const MORE_PER_ROUND = 15;

/** Repeatable, so that a failure can be looked at again: the seed is in the name of the test. */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state % below;
  };
}

interface Visit {
  readonly user: string;
  readonly client: Client;
}

/** One user's page: writes into two conversations, and comes back whenever its worker is gone. */
async function write(
  user: string,
  connect: (user: string) => Promise<Client>,
  /** Resolves when there is more to write, with false when there will be nothing any more. */
  mayWrite: () => Promise<boolean>,
  told: (promise: Promised) => void,
): Promise<void> {
  let n = 0;
  while (await mayWrite()) {
    const client = await connect(user);
    try {
      while (await mayWrite()) {
        const promise = promised(user, n);
        const { sessionKey, runId, text: message } = promise;
        await client.request('chat.send', { sessionKey, message, idempotencyKey: runId });
        told(promise);
        n += 1;
        await nextTurn();
      }
    } catch {
      // Its worker is gone. Whether the last message was stored, the page does not know.
    }
  }
}

function promised(user: string, n: number): Promised {
  const runId = `${user}-${n}`;
  return { user, sessionKey: `agent:main:talk-${n % 2}`, runId, text: `message ${runId}` };
}

/** What each run's events have said to whichever page saw its end. */
function learn(promises: readonly Promised[], visits: readonly Visit[]): void {
  for (const promise of promises) {
    for (const { user, client } of visits) {
      if (user !== promise.user || promise.answer !== undefined) continue;
      const told = client.chatEvents(promise.runId);
      const end = told.find(({ state }) => state === 'final');
      if (!end) continue;
      promise.answer = end.message.content.map((block: { text: string }) => block.text).join('');
      // A page that came while the answer was under way has its beginning from the history.
      if (told[0]?.seq === 1) promise.streamed = client.text(promise.runId);
    }
  }
}

test.each([20_261_125])(
  `nothing that was acknowledged is lost when workers are killed ${ROUNDS} times (seed %i)`,
  { timeout: 60_000 + ROUNDS * 20_000 },
  async (seed) => {
    const random = generator(seed);
    const upstream = await startOpenAiUpstream();
    onTestFinished(() => upstream.close());
    upstream.when(
      () => true,
      ({ body }) => {
        const words = `an answer to ${lastUserText(body)}`.split(' ');
        const pieces = words.flatMap((word) => [text(`${word} `), pause(2)]);
        return events(role(), ...pieces, finish('stop'), DONE);
      },
    );
    const limits = { maxQueuedRunsPerSession: 1_000, requestsPerSecond: 0, sendsPerMinute: 0 };
    const gateway = await startWorkers({
      config: testConfig({
        upstream: upstream.url,
        gateway: { workers: 2, streaming: { checkpointMs: 20 }, limits },
      }),
    });
    const promises: Promised[] = [];
    const visits: Visit[] = [];
    const over = new AbortController();
    let allowed = 0;
    const mayWrite = async () => {
      while (!over.signal.aborted && promises.length >= allowed) await sleep(5);
      return !over.signal.aborted;
    };
    let heard: () => void = () => {};
    const connect = async (user: string) => {
      const client = await connectAnywhere(gateway.ports, { user, check: false });
      visits.push({ user, client });
      return client;
    };
    const writers = USERS.map((user) =>
      write(user, connect, mayWrite, (promise) => {
        promises.push(promise);
        heard();
      }),
    );

    const starts = [1, 1];
    for (let round = 0; round < ROUNDS; round += 1) {
      const fatal = promises.length + 1 + random(MAX_ACKNOWLEDGED_PER_ROUND);
      allowed = fatal + MORE_PER_ROUND;
      while (promises.length < fatal) await new Promise<void>((resolve) => (heard = resolve));
      // An instant that no acknowledgement leads to.
      for (let turn = random(200); turn > 0; turn -= 1) await nextTurn();
      const victims = round % 3 === 2 ? [0, 1] : [random(2)];
      for (const worker of victims) {
        gateway.kill(worker);
        starts[worker] = (starts[worker] ?? 0) + 1;
      }
      for (const worker of victims) await gateway.started(worker, starts[worker] ?? 0);
    }
    over.abort();
    await Promise.all(writers);

    // The pages send again what they do not know to be answered.
    const pages = new Map<string, Client>();
    for (const user of USERS) pages.set(user, await connect(user));
    await Promise.all(
      promises.map(async ({ user, sessionKey, runId, text: message }) => {
        const page = pages.get(user);
        const again = await page?.request('chat.send', {
          sessionKey,
          message,
          idempotencyKey: runId,
        });
        if (again.status !== 'in_flight') return;
        await page?.event('chat', (each) => each.runId === runId && isTerminal(each.state));
      }),
    );
    learn(promises, visits);
    gateway.signal('SIGTERM');
    expect(await gateway.exited).toEqual({ code: 0, signal: null });
    expect(audit(join(gateway.stateDir, 'oc-gateway.sqlite'), promises)).toEqual([]);

    const asked = upstream.requests.map(({ body }) => lastUserText(body));
    expect(asked.length).toBe(new Set(asked).size);
    expect(promises.length).toBeGreaterThanOrEqual(ROUNDS);
  },
);
