/**
 * Whatever arrives in frames, it is answered or the socket is closed with a documented code; it never meets a bug,
 * and nobody else notices. `OC_FUZZ_CASES` makes it long (`npm run soak`).
 */

import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { METHODS } from '../../gateway/methods/registry.ts';
import { CLOSES } from '../../gateway/protocol/close-codes.ts';
import { ERROR_CODES } from '../../gateway/protocol/errors.ts';
import { type Client, connectClient, type Json } from '../support/client.ts';
import { testConfig } from '../support/config.ts';
import { type SharedGateway, shareGateway } from '../support/gateway.ts';
import { undisturbed } from '../support/neighbour.ts';
import { startOpenAiUpstream, type Upstream } from '../support/upstream/openai.ts';

const CASES = Number(process.env['OC_FUZZ_CASES'] ?? 300);

let upstream: Upstream;
let gateway: SharedGateway;

beforeAll(async () => {
  upstream = await startOpenAiUpstream();
  gateway = await shareGateway({
    config: testConfig({
      upstream: upstream.url,
      // Every frame is to reach its method.
      gateway: { limits: { requestsPerSecond: 0, sendsPerMinute: 0 } },
    }),
  });
});
afterAll(async () => {
  await gateway.stop();
  await upstream.close();
});

/** Names that methods know, so that values reach the code behind the checks. */
const FIELDS = [
  'sessionKey',
  'key',
  'message',
  'idempotencyKey',
  'runId',
  'limit',
  'offset',
  'cursor',
  'model',
  'messageId',
  'entryId',
  'leafEntryId',
  'query',
  'sessionKeys',
  'label',
  'search',
  'agentId',
  'attachments',
  'thinking',
  'timeoutMs',
  'expectedLeafEntryId',
  'archived',
  'pinned',
  '__proto__',
];

const VALUES = fc.oneof(
  fc.constantFrom(
    'main',
    'agent:main:main',
    'agent::',
    'agent:main:',
    '\ud800',
    '%',
    '"',
    "' OR 1=1 --",
  ),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.integer(),
  fc.double(),
  fc.jsonValue({ maxDepth: 3 }),
);

const PARAMS = fc.dictionary(fc.oneof(fc.constantFrom(...FIELDS), fc.string()), VALUES, {
  maxKeys: 8,
});

const FRAME = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .record({ method: fc.constantFrom(...METHODS.keys(), 'connect'), params: PARAMS })
      .map((call) => JSON.stringify({ type: 'req', id: 'fuzz', ...call })),
  },
  { weight: 1, arbitrary: fc.json() },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 200 }) },
);

async function answered(client: Client, frames: readonly string[]): Promise<void> {
  const before = client.frames.length;
  for (const frame of frames) client.sendRaw(frame);
  await client.request('health');
  const replies = client.frames.slice(before).filter((frame: Json) => frame.type === 'res');
  for (const { ok, error } of replies) {
    if (!ok) expect(Object.keys(ERROR_CODES)).toContain(error.code);
  }
}

test(`${CASES} bursts of frames meet no bug and leave a neighbour alone`, {
  timeout: 60_000 + CASES * 50,
}, async () => {
  await undisturbed({ port: gateway.port, upstream }, async () => {
    let client: Client | undefined;
    await fc.assert(
      fc.asyncProperty(fc.array(FRAME, { minLength: 1, maxLength: 6 }), async (frames) => {
        client ??= await connectClient({ port: gateway.port, user: 'mallory', check: false });
        try {
          await answered(client, frames);
        } catch (error) {
          if (!(error instanceof Error) || !error.message.startsWith('closed ')) throw error;
          const { code } = await client.closed;
          expect(Object.values(CLOSES).map((close) => close.code)).toContain(code);
          client = undefined;
        }
      }),
      { numRuns: CASES },
    );
  });
  const bugs = gateway.logs.filter(
    ({ event }) => event === 'request_failed' || event === 'run_trouble',
  );
  expect(bugs).toEqual([]);
});
