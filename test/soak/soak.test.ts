/**
 * The gateway under load for a while: users write, read, drop their sockets and come back; some stall, some stop their
 * answers. Memory, descriptors and what is answered must not drift. `OC_SOAK_SECONDS` makes it long (`npm run soak`);
 * it then also prints a table of what it saw.
 */

import { setTimeout as pause } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { type Client, connectClient, isTerminal } from '../support/client.ts';
import { testConfig } from '../support/config.ts';
import { pause as pace } from '../support/upstream/http.ts';
import {
  DONE,
  events,
  finish,
  role,
  startOpenAiUpstream,
  text,
} from '../support/upstream/openai.ts';
import {
  descriptors,
  type MeteredGateway,
  percentile,
  printRow,
  residentMiB,
  startMetered,
} from './metered.ts';

const SECONDS = Number(process.env['OC_SOAK_SECONDS'] ?? 12);
const USERS = 40;
const SAMPLE_MS = SECONDS > 60 ? 5_000 : 500;
/** Between a user's answer and the next message: the machine is to be busy and not full. */
const PAUSE_MS = 300;
/** Conversations are begun anew, so that a long run measures the process and not a growing history. */
const TURNS_PER_CONVERSATION = 10;

interface Sample {
  rssMiB: number;
  descriptors: number;
  readyMs: number;
  /** The event loop's delay since the sample before. */
  loopP99: number;
  loopMax: number;
}

interface Tally {
  answers: number;
  stopped: number;
  reconnects: number;
  wrong: string[];
}

async function sample(gateway: MeteredGateway): Promise<Sample> {
  const loop = await gateway.loopDelay();
  const startedAt = performance.now();
  const ready = await fetch(`http://127.0.0.1:${gateway.port}/readyz`);
  expect(ready.status).toBe(200);
  return {
    rssMiB: residentMiB(gateway.pid),
    descriptors: descriptors(gateway.pid),
    readyMs: performance.now() - startedAt,
    loopP99: loop.p99,
    loopMax: loop.max,
  };
}

/** One user until the time is over. Which of the odd things happens is counted, not drawn: each run is alike. */
async function live(user: string, port: number, over: () => boolean, tally: Tally): Promise<void> {
  let client = await connectClient({ port, user, check: false });
  for (let turn = 0; !over(); turn += 1) {
    const sessionKey = `agent:main:talk-${Math.floor(turn / TURNS_PER_CONVERSATION)}`;
    const runId = `${user}-${turn}`;
    const message = `message ${turn} of ${user}`;
    await client.request('chat.send', { sessionKey, message, idempotencyKey: runId });
    if (turn % 7 === 3) {
      await client.close();
      client = await connectClient({ port, user, check: false });
      tally.reconnects += 1;
      await settled(client, sessionKey, runId);
    } else {
      if (turn % 11 === 5) await client.request('chat.abort', { sessionKey, runId });
      const end = await client.event(
        'chat',
        (each) => each.runId === runId && isTerminal(each.state),
      );
      if (end.state === 'aborted') tally.stopped += 1;
      else check(client, runId, end.message?.content?.[0]?.text, tally);
    }
    await pause(PAUSE_MS);
    if (turn % TURNS_PER_CONVERSATION === TURNS_PER_CONVERSATION - 1) {
      await client.request('sessions.delete', { key: sessionKey });
      // What a client of the test keeps of its frames is not the gateway's to bear.
      await client.close();
      client = await connectClient({ port, user, check: false });
    }
  }
  await client.close();
}

/** A page that came back in the middle: it learns the end from its events or from the history. */
async function settled(client: Client, sessionKey: string, runId: string): Promise<void> {
  const again = await client.request('chat.send', {
    sessionKey,
    message: 'x',
    idempotencyKey: runId,
  });
  if (again.status !== 'in_flight') return;
  await client.event('chat', (each) => each.runId === runId && isTerminal(each.state));
}

function check(client: Client, runId: string, final: string | undefined, tally: Tally): void {
  tally.answers += 1;
  if (client.text(runId) !== final)
    tally.wrong.push(`${runId}: what was streamed is not the answer`);
}

test(`${USERS} users for ${SECONDS} s: nothing drifts`, {
  timeout: (SECONDS + 60) * 1_000,
}, async () => {
  const upstream = await startOpenAiUpstream();
  onTestFinished(() => upstream.close());
  const words = Array.from({ length: 40 }, (_, index) => text(`word${index} `));
  upstream.when(
    () => true,
    () => events(role(), ...words.flatMap((word) => [word, pace(5)]), finish('stop'), DONE),
  );
  const gateway = await startMetered({
    favoured: SECONDS > 60,
    config: testConfig({
      upstream: upstream.url,
      // These users write faster than people do.
      gateway: { limits: { requestsPerSecond: 0, sendsPerMinute: 0 } },
    }),
  });
  const tally: Tally = { answers: 0, stopped: 0, reconnects: 0, wrong: [] };
  const end = performance.now() + SECONDS * 1_000;
  const over = () => performance.now() >= end;
  const users = Array.from({ length: USERS }, (_, index) =>
    live(`user-${index}`, gateway.port, over, tally),
  );
  const samples: Sample[] = [];
  while (!over()) {
    await pause(SAMPLE_MS);
    samples.push(await sample(gateway));
    upstream.forget();
  }
  await Promise.all(users);

  const third = Math.floor(samples.length / 3);
  const [, middle = [], last = []] = [0, 1, 2].map((n) =>
    samples.slice(n * third, (n + 1) * third),
  );
  const median = (part: readonly Sample[], of: keyof Sample) =>
    percentile(
      part.map((each) => each[of]),
      0.5,
    );
  const drift = (of: keyof Sample) => median(last, of) / median(middle, of);
  if (SECONDS > 60) {
    report(tally, samples);
    for (const [name, part] of Object.entries({ middle, last })) {
      const of = (field: keyof Sample) => median(part, field).toFixed(1);
      printRow([
        name,
        of('rssMiB'),
        of('descriptors'),
        of('loopP99'),
        of('loopMax'),
        of('readyMs'),
      ]);
    }
  }
  expect(tally.wrong).toEqual([]);
  expect(tally.answers).toBeGreaterThan(USERS);
  expect(tally.reconnects).toBeGreaterThan(USERS / 4);
  // Sockets come and go all the time, so a count is never the same twice; a leak grows without end.
  expect(drift('descriptors')).toBeLessThan(1.3);
  expect(drift('rssMiB')).toBeLessThan(1.25);
  const faults = gateway.logs.filter(({ level }) => level === 'error');
  expect(faults).toEqual([]);
});

function report(tally: Tally, samples: readonly Sample[]): void {
  const readyMs = samples.map((each) => each.readyMs);
  process.stdout.write(
    `${SECONDS} s, ${USERS} users: ${tally.answers} answers, ${tally.stopped} stopped, ${tally.reconnects} reconnects; ` +
      `/readyz p50 ${percentile(readyMs, 0.5).toFixed(1)} ms, p99 ${percentile(readyMs, 0.99).toFixed(1)} ms; ` +
      `the worst delay of the event loop ${Math.max(...samples.map((each) => each.loopMax))} ms\n`,
  );
  printRow(['third', 'MiB', 'descriptors', 'loop p99, ms', 'loop max, ms', '/readyz, ms']);
  printRow(['---', '---', '---', '---', '---', '---']);
}
