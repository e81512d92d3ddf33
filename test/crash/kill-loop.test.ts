/**
 * The gateway is killed again and again while users write; between the kills an auditor compares
 * every acknowledgement with the file. `OC_KILL_ROUNDS` makes it long (`npm run soak`).
 */

import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { type Client, connectClient, isTerminal } from '../support/client.ts';
import { testConfig } from '../support/config.ts';
import { type GatewayProcess, startGateway, temporaryFolder } from '../support/gateway.ts';
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
import { audit, type Promised } from './auditor.ts';

const ROUNDS = Number(process.env['OC_KILL_ROUNDS'] ?? 5);
const USERS = ['ann', 'bob', 'cem'];
const MAX_ACKNOWLEDGED_PER_ROUND = 25;

/** Repeatable, so that a failure can be looked at again: the seed is in the name of the test. */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state % below;
  };
}

/** One user's page: writes into two conversations until the socket is gone. */
async function write(client: Client, user: string, round: number, told: (each: Promised) => void) {
  for (let n = 0; ; n += 1) {
    const runId = `${user}-${round}-${n}`;
    const promise: Promised = {
      user,
      sessionKey: `agent:main:talk-${n % 2}`,
      runId,
      text: `message ${runId}`,
    };
    await client.request('chat.send', {
      sessionKey: promise.sessionKey,
      message: promise.text,
      idempotencyKey: runId,
    });
    told(promise);
    await nextTurn();
  }
}

/** What each run's events had said when the process died. */
function learn(promises: readonly Promised[], clients: ReadonlyMap<string, Client>): void {
  for (const promise of promises) {
    const client = clients.get(promise.user);
    if (!client || promise.answer !== undefined) continue;
    const told = client.chatEvents(promise.runId);
    const end = told.find(({ state }) => state === 'final');
    if (!end) continue;
    promise.answer = end.message.content.map((block: { text: string }) => block.text).join('');
    // A page that came while the answer was under way has its beginning from the history.
    if (told[0]?.seq === 1) promise.streamed = client.text(promise.runId);
  }
}

async function connectAll(gateway: GatewayProcess): Promise<Map<string, Client>> {
  const clients = USERS.map(async (user) => {
    return [user, await connectClient({ port: gateway.port, user, check: false })] as const;
  });
  return new Map(await Promise.all(clients));
}

test.each([20_261_124])(
  `nothing that was acknowledged is lost in ${ROUNDS} kills (seed %i)`,
  { timeout: 60_000 + ROUNDS * 10_000 },
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
    const stateDir = await temporaryFolder();
    const config = testConfig({
      upstream: upstream.url,
      gateway: {
        streaming: { checkpointMs: 20 },
        limits: {
          maxQueuedRunsPerSession: 1_000,
          requestsPerSecond: 0,
          sendsPerMinute: 0,
        },
      },
    });
    const promises: Promised[] = [];

    for (let round = 0; round < ROUNDS; round += 1) {
      const gateway = await startGateway({ stateDir, config });
      const clients = await connectAll(gateway);
      const fatal = 1 + random(MAX_ACKNOWLEDGED_PER_ROUND);
      const turns = random(200);
      let acknowledged = 0;
      const writers = [...clients].map(([user, client]) =>
        write(client, user, round, (promise) => {
          promises.push(promise);
          acknowledged += 1;
          if (acknowledged === fatal) void killAfter(gateway, turns);
        }),
      );
      await Promise.allSettled(writers);
      await gateway.exited;
      learn(promises, clients);
      expect(audit(join(stateDir, 'oc-gateway.sqlite'), promises)).toEqual([]);
    }

    // The pages come back, and send again what they do not know to be answered.
    const gateway = await startGateway({ stateDir, config });
    const clients = await connectAll(gateway);
    await Promise.all(
      promises.map(async ({ user, sessionKey, runId, text: message }) => {
        const client = clients.get(user);
        const again = await client?.request('chat.send', {
          sessionKey,
          message,
          idempotencyKey: runId,
        });
        if (again.status !== 'in_flight') return;
        await client?.event('chat', (each) => each.runId === runId && isTerminal(each.state));
      }),
    );
    learn(promises, clients);
    gateway.signal('SIGTERM');
    await gateway.exited;
    expect(audit(join(stateDir, 'oc-gateway.sqlite'), promises)).toEqual([]);

    const asked = upstream.requests.map(({ body }) => lastUserText(body));
    expect(asked.length).toBe(new Set(asked).size);
    expect(promises.length).toBeGreaterThanOrEqual(ROUNDS);
  },
);

/** Some turns of the event loop later: an instant that no acknowledgement leads to. */
async function killAfter(gateway: GatewayProcess, turns: number): Promise<void> {
  for (let turn = 0; turn < turns; turn += 1) await nextTurn();
  gateway.signal('SIGKILL');
}
