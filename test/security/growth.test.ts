/**
 * Frames as large as may be, of what makes careless code slow: nothing of it takes more than linear time. Work that
 * grows with the square of such a frame would take hours and fail by the test's timeout, on whatever machine.
 */

import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Client, connectClient } from '../support/client.ts';
import { testConfig } from '../support/config.ts';
import { type SharedGateway, shareGateway } from '../support/gateway.ts';
import { startOpenAiUpstream, type Upstream } from '../support/upstream/openai.ts';

/** Characters: with what UTF-8 and escapes make of them it stays below the largest frame. */
const CHARS = 400_000;

let upstream: Upstream;
let gateway: SharedGateway;

beforeAll(async () => {
  upstream = await startOpenAiUpstream();
  gateway = await shareGateway({ config: testConfig({ upstream: upstream.url }) });
});
afterAll(async () => {
  await gateway.stop();
  await upstream.close();
});

const of = (unit: string) => unit.repeat(Math.floor(CHARS / unit.length));
const keys = (count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, n) => [`key-${n}`, n]));

const connect = (): Promise<Client> =>
  connectClient({ port: gateway.port, user: `user-${crypto.randomUUID()}`, check: false });

test.each([
  ['spaces', of(' ')],
  ['line ends', of('\n')],
  ['NUL', of('\0')],
  ['quotes and backslashes', of('"\\')],
  ['combining marks', `a${of('\u0301')}`],
  ['letters that change their length in small print', of('İ')],
  ['sigmas, whose small form depends on what follows', of('Σ')],
  ['halves of surrogate pairs', of('\ud800')],
  ['families of emoji', of('👨‍👩‍👧‍👦')],
  ['joiners', of('\u200d')],
  ['directions', of('\u202e\u2066')],
  ['open brackets', of('[(')],
  ['a prefix that nearly matches', `${of('ab')}c`],
])('a message of %s is stored, titled, answered, searched and read', async (_, message) => {
  const client = await connect();
  const params = { sessionKey: 'main', message, idempotencyKey: crypto.randomUUID() };
  const sent = await client.ask('chat.send', params);
  if (sent.ok) {
    await client.event('chat', ({ state }) => state === 'final' || state === 'error');
    const { messages } = await client.request('chat.history', { sessionKey: 'main' });
    expect(messages.length).toBeGreaterThan(0);
  } else {
    expect(sent.error.code).toBe('INVALID_REQUEST');
  }
  for (const query of ['abababababababababac', 'Σ İ', message.slice(0, 100)]) {
    const { ok, error } = await client.ask('sessions.search', { query });
    if (!ok) expect(error.code).toBe('INVALID_REQUEST');
  }
  expect(await client.request('sessions.list', { includeDerivedTitles: true })).toBeDefined();
});

test.each<[string, object]>([
  ['keys that nobody knows', { sessionKey: 'main', ...keys(100_000) }],
  ['a list of lists', { sessionKey: 'main', future: Array.from({ length: 100_000 }, () => []) }],
  ['keys below keys', { sessionKey: 'main', future: { a: keys(100_000) } }],
  ['a huge key', { sessionKey: 'main', [of('k')]: 1 }],
  ['a huge session key', { sessionKey: of(':') }],
  ['a huge cursor', { sessionKey: 'main', cursor: of('%') }],
])('parameters of %s are answered', async (_, params) => {
  const client = await connect();
  const { ok, error } = await client.ask('chat.history', params);
  if (!ok) expect(error.code).toBe('INVALID_REQUEST');
  expect(await client.request('health')).toMatchObject({ ok: true });
});

test('attachments by the thousand, and one of nearly a frame, are answered', async () => {
  const client = await connect();
  const image = { type: 'image', mimeType: 'image/png', content: 'A'.repeat(CHARS) };
  const small = Array.from({ length: 5_000 }, () => ({ ...image, content: 'AAAA' }));
  for (const attachments of [[image], small]) {
    const params = { sessionKey: 'main', message: 'x', idempotencyKey: 'r', attachments };
    const { ok, error } = await client.ask('chat.send', params);
    if (!ok) expect(error.code).toBe('INVALID_REQUEST');
  }
  expect(await client.request('health')).toMatchObject({ ok: true });
});
