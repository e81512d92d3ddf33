/** Endpoints are kept while they are configured as they are, and no longer. */

import { expect, test } from 'vitest';
import type { ConfiguredModel } from '../../agents/definition.ts';
import { createEndpoints } from '../../agents/endpoints.ts';
import type { OpenAiCompat } from '../../providers/openai-compat.ts';
import { endpoint, MODEL } from '../providers/calls.ts';

function model(id: string, apiKey: string, compat?: Partial<OpenAiCompat>): ConfiguredModel {
  return {
    ref: `${id}/m`,
    api: 'demo',
    endpoint: endpoint('', { id, apiKey, ...(compat && { compat }) }),
    info: MODEL,
    maxConcurrentCalls: 2,
    name: 'm',
  };
}

test('models of a provider share its breaker and queue, and each difference has its adapter', async () => {
  const endpointOf = createEndpoints(() => 0);
  const plain = await endpointOf(model('p', 'key'));
  const other = await endpointOf(model('p', 'key', { systemRole: 'user' }));
  expect(await endpointOf(model('p', 'key'))).toBe(plain);
  expect(other.adapter).not.toBe(plain.adapter);
  expect(other.queue).toBe(plain.queue);
  expect(other.breaker).toBe(plain.breaker);
  expect((await endpointOf(model('q', 'key'))).queue).not.toBe(plain.queue);
});

test('a changed configuration takes the place of the old one, which is dropped', async () => {
  const endpointOf = createEndpoints(() => 0);
  const old = await endpointOf(model('p', 'old'));
  const fresh = await endpointOf(model('p', 'new'));
  expect(fresh.adapter).not.toBe(old.adapter);
  expect(fresh.breaker).not.toBe(old.breaker);
  // What is under way by the old one is as much under way.
  expect(fresh.queue).toBe(old.queue);
  expect(await endpointOf(model('p', 'new'))).toBe(fresh);
  expect(await endpointOf(model('p', 'old'))).not.toBe(old);
});

test('an edit changes how many calls may be under way, and nobody is left waiting for it', async () => {
  const endpointOf = createEndpoints(() => 0);
  const { signal } = new AbortController();
  const { queue } = await endpointOf(model('p', 'key'));
  for (let n = 0; n < 2; n++) await queue.enter('ann', signal);
  const third = queue.enter('ann', signal);
  expect([queue.active(), queue.waiting()]).toEqual([2, 1]);
  await endpointOf({ ...model('p', 'key'), maxConcurrentCalls: 4 });
  const fourth = queue.enter('bob', signal);
  expect(await Promise.all([third, fourth])).toMatchObject([
    { outcome: 'admitted' },
    { outcome: 'admitted' },
  ]);
});

test('what nobody has asked for in an hour is dropped when something new is made', async () => {
  let now = 0;
  const endpointOf = createEndpoints(() => now);
  const gone = await endpointOf(model('gone', 'key'));
  const used = await endpointOf(model('used', 'key'));
  now += 3_000_000;
  expect(await endpointOf(model('used', 'key'))).toBe(used);
  now += 3_000_000;
  await endpointOf(model('new', 'key'));
  expect(await endpointOf(model('used', 'key'))).toBe(used);
  expect(await endpointOf(model('gone', 'key'))).not.toBe(gone);
});
