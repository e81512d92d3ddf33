/** The built-in demonstration. */

import { describe, expect, it } from 'vitest';
import { createDemo } from '../../providers/demo.ts';
import { collect, endpoint, last, request, textOf, user } from './calls.ts';

const instantly = () => Promise.resolve();
const demo = createDemo(endpoint('', { id: 'demo' }), instantly);

describe('the demo provider', () => {
  it('says what it is, echoes the question and tells how to connect a model', async () => {
    const events = await collect(demo(request({ messages: [user('What is a monad?')] })));
    const text = textOf(events);
    expect(text).toContain('demonstration');
    expect(text).toContain('> What is a monad?');
    for (const cure of ['ONE_API_BASE_URL', 'ONE_API_KEY', 'agents.defaults.model']) {
      expect(text).toContain(cure);
    }
    expect(events[0]).toMatchObject({ type: 'start' });
    expect(events.at(-2)).toMatchObject({ type: 'usage' });
    expect(last(events)).toEqual({ type: 'done', stopReason: 'stop' });
  });

  it('streams whole characters of any script, and quotes every line', async () => {
    const question = '日本語で👩‍👩‍👧 答えて\nשלום 🇯🇵 สวัสดี';
    const events = await collect(demo(request({ messages: [user(question)] })));
    expect(textOf(events)).toContain(`> 日本語で👩‍👩‍👧 答えて\n> שלום 🇯🇵 สวัสดี`);
    const deltas = events.filter((event) => event.type === 'text').map((event) => event.delta);
    expect(deltas.every((delta) => delta !== '' && delta.isWellFormed())).toBe(true);
    expect(deltas.length).toBeGreaterThan(20);
  });

  it('shortens a long question without cutting a character', async () => {
    const events = await collect(demo(request({ messages: [user('👩‍👩‍👧'.repeat(1_000))] })));
    expect(textOf(events)).toContain(`> ${'👩‍👩‍👧'.repeat(280)} …`);
  });

  it('stops at once while it waits for the next word', async () => {
    const controller = new AbortController();
    const forever = (_ms: number, signal: AbortSignal) =>
      new Promise<void>((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(new Error('aborted')));
      });
    const slow = createDemo(endpoint('', { id: 'demo' }), forever);
    const collected = collect(slow(request({ signal: controller.signal })));
    controller.abort();
    expect(await collected).toMatchObject([
      { type: 'start' },
      { type: 'error', failure: { kind: 'aborted', retryable: false } },
    ]);
  });
});
