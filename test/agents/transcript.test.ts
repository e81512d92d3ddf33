/** What of a conversation reaches the model: whole turns, newest first, inside the budget. */

import fc from 'fast-check';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { AgentDefinition } from '../../agents/definition.ts';
import { LEFT_OUT } from '../../agents/image-budget.ts';
import { openSessionStore } from '../../agents/sessions/sqlite-store.ts';
import type { ContentBlock, RunRecord } from '../../agents/sessions/store.ts';
import { estimateTokens, IMAGE_TOKENS, MESSAGE_TOKENS } from '../../agents/tokens.ts';
import { buildContext, contextBudget } from '../../agents/transcript.ts';
import type { ModelInfo, ProviderMessage } from '../../providers/contract.ts';

const alice = { userId: 'alice', instanceId: 'default' };
const KEY = 'agent:main:main';
const SYSTEM = 'Be brief.';
const png = { mimeType: 'image/png', bytes: new Uint8Array([1, 2, 3]) };

interface Turn {
  text: string;
  answer: readonly ContentBlock[];
  images?: number;
}

const said = (text: string): ContentBlock[] => [{ type: 'text', text }];

/** A session with these turns answered, and the run of one more message that waits for its answer. */
async function conversation(turns: readonly Turn[], last: Turn) {
  let clock = 1_000;
  const store = openSessionStore({ path: ':memory:', now: () => clock });
  onTestFinished(() => store.close());
  async function send({ text, images = 0 }: Turn): Promise<RunRecord> {
    clock += 1;
    const accepted = await store.acceptTurn(alice, KEY, {
      runId: `run-${clock}`,
      agentId: 'main',
      text,
      attachments: Array.from({ length: images }, () => png),
      options: {},
      timestamp: clock,
      start: true,
    });
    if (accepted.outcome !== 'accepted') throw new Error(accepted.outcome);
    return accepted.run;
  }
  for (const turn of turns) {
    const { runId } = await send(turn);
    const content = turn.answer;
    await store.finishRun(alice, KEY, runId, { state: 'complete', content, timestamp: clock });
  }
  const run = await send(last);
  return {
    store,
    context: (tokens: number, imageBytes = 1_000) =>
      buildContext(store, alice, run, SYSTEM, { tokens, imageBytes }),
  };
}

const textOf = (message: ProviderMessage | undefined): string =>
  (message?.content ?? []).map((block) => ('text' in block ? block.text : '')).join('');

function cost(turn: Turn): number {
  const answer = turn.answer.reduce(
    (sum, block) => sum + (block.type === 'text' ? estimateTokens(block.text) : 0),
    MESSAGE_TOKENS,
  );
  return MESSAGE_TOKENS + estimateTokens(turn.text) + (turn.images ?? 0) * IMAGE_TOKENS + answer;
}

const anyTurn = fc
  .record({ text: fc.string({ minLength: 1, maxLength: 60, unit: 'binary' }), size: fc.nat(80) })
  .map(({ text, size }): Turn => ({ text, answer: said('a'.repeat(size + 1)) }));

describe('buildContext', () => {
  test('keeps the newest whole turns that fit, as many as fit, in order', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyTurn, { maxLength: 8 }),
        anyTurn,
        fc.nat(400),
        async (turns, last, budget) => {
          const { store, context } = await conversation(turns, last);
          const messages = context(budget);
          await store.close();
          const own = MESSAGE_TOKENS + estimateTokens(last.text) + estimateTokens(SYSTEM);
          let left = budget - own;
          let kept = 0;
          for (const turn of turns.toReversed()) {
            left -= cost(turn);
            if (left < 0) break;
            kept += 1;
          }
          const expected = [
            ...turns.slice(turns.length - kept).flatMap((turn) => [
              ['user', turn.text],
              [
                'assistant',
                turn.answer.map((block) => ('text' in block ? block.text : '')).join(''),
              ],
            ]),
            ['user', last.text],
          ];
          expect(messages.map((each) => [each.role, textOf(each)])).toEqual(expected);
        },
      ),
      { numRuns: 150 },
    );
  });

  test('reads only as much of a long conversation as it keeps', async () => {
    const turns = Array.from({ length: 200 }, (_, n) => ({ text: `q${n}`, answer: said('a') }));
    const { store, context } = await conversation(turns, { text: 'last', answer: [] });
    const ancestors = store.ancestors.bind(store);
    let read = 0;
    store.ancestors = function* (...args) {
      for (const message of ancestors(...args)) {
        read += 1;
        yield message;
      }
    };
    expect(context(60).length).toBeLessThan(12);
    expect(read).toBeLessThan(16);
  });

  test('never separates tool calls from their results: they are one answer', async () => {
    const answer: ContentBlock[] = [
      { type: 'text', text: 'Let me look.' },
      { type: 'toolCall', id: 't1', name: 'search', arguments: '{"q":1}' },
      { type: 'toolCall', id: 't2', name: 'search', arguments: '{"q":2}' },
      { type: 'toolResult', id: 't1', name: 'search', content: 'one', isError: false },
      { type: 'toolResult', id: 't2', name: 'search', content: 'two', isError: true },
      { type: 'text', text: 'Found it.' },
    ];
    const { context } = await conversation([{ text: 'find', answer }], { text: 'so?', answer: [] });
    expect(context(10_000)).toEqual([
      { role: 'user', content: [{ type: 'text', text: 'find' }] },
      {
        role: 'assistant',
        content: [
          { type: 'text', text: 'Let me look.' },
          { type: 'tool_call', id: 't1', name: 'search', arguments: '{"q":1}' },
          { type: 'tool_call', id: 't2', name: 'search', arguments: '{"q":2}' },
        ],
      },
      {
        role: 'tool',
        content: [
          { type: 'tool_result', id: 't1', name: 'search', content: 'one', isError: false },
          { type: 'tool_result', id: 't2', name: 'search', content: 'two', isError: true },
        ],
      },
      { role: 'assistant', content: [{ type: 'text', text: 'Found it.' }] },
      { role: 'user', content: [{ type: 'text', text: 'so?' }] },
    ]);
    expect(context(5)).toHaveLength(1);
  });

  test('says nothing for an answer that is empty', async () => {
    const { context } = await conversation([{ text: 'hello?', answer: [] }], {
      text: 'anyone?',
      answer: [],
    });
    expect(context(10_000).map(textOf)).toEqual(['hello?', 'anyone?']);
  });

  test('sends images with the message that they came with, and counts them', async () => {
    const turns = [{ text: 'look', answer: said('nice'), images: 1 }];
    const { context } = await conversation(turns, { text: 'and this', answer: [], images: 2 });
    const image = { type: 'image', mimeType: 'image/png', data: 'AQID' };
    expect(context(10_000)).toEqual([
      { role: 'user', content: [{ type: 'text', text: 'look' }, image] },
      { role: 'assistant', content: [{ type: 'text', text: 'nice' }] },
      { role: 'user', content: [{ type: 'text', text: 'and this' }, image, image] },
    ]);
    expect(context(3 * IMAGE_TOKENS)).toHaveLength(1);
  });

  test('sends the newest images, as many as may be sent, and a remark for each of the others', async () => {
    const turns = [1, 2].map((images) => ({ text: 'look', answer: said('nice'), images }));
    const { context, store } = await conversation(turns, { text: 'so?', answer: [], images: 1 });
    const read = vi.spyOn(store, 'attachment');
    const kinds = (imageBytes: number) =>
      context(10_000, imageBytes).map(({ content }) => content.map(({ type }) => type).join(' '));
    expect(kinds(12)).toEqual(['text image', 'text', 'text image image', 'text', 'text image']);
    expect(kinds(11)).toEqual(['text text', 'text', 'text image image', 'text', 'text image']);
    read.mockClear();
    expect(kinds(3)).toEqual(['text text', 'text', 'text text text', 'text', 'text image']);
    expect(read).toHaveBeenCalledTimes(1);
    expect(textOf(context(10_000, 3)[0])).toBe(`look${LEFT_OUT}`);
  });

  test('carries reasoning with the API and signature that it belongs to', async () => {
    const answer: ContentBlock[] = [
      { type: 'thinking', thinking: 'hm', api: 'anthropic-messages', signature: 's' },
      { type: 'text', text: 'yes' },
    ];
    const { context } = await conversation([{ text: 'ok?', answer }], {
      text: 'sure?',
      answer: [],
    });
    expect(context(10_000)[1]).toEqual({
      role: 'assistant',
      content: [
        { type: 'reasoning', text: 'hm', api: 'anthropic-messages', signature: 's' },
        { type: 'text', text: 'yes' },
      ],
    });
  });

  test('leaves out a note that nobody asked for before the first message', async () => {
    const store = openSessionStore({ path: ':memory:' });
    onTestFinished(() => store.close());
    await store.create(alice, { key: KEY, agentId: 'main', timestamp: 1 });
    await store.inject(alice, KEY, { text: 'Welcome!', timestamp: 2 });
    const accepted = await store.acceptTurn(alice, KEY, {
      runId: 'r',
      agentId: 'main',
      text: 'hi',
      attachments: [],
      options: {},
      timestamp: 3,
    });
    if (accepted.outcome !== 'accepted') throw new Error(accepted.outcome);
    const messages = buildContext(store, alice, accepted.run, SYSTEM, {
      tokens: 10_000,
      imageBytes: 0,
    });
    expect(messages.map(textOf)).toEqual(['hi']);
  });
});

describe('contextBudget', () => {
  const agent = (contextTokens?: number): AgentDefinition => ({
    id: 'main',
    systemPrompt: '',
    models: [],
    thinking: 'off',
    reasoning: 'off',
    timeoutMs: 1_000,
    mediaMaxBytes: 0,
    ...(contextTokens !== undefined && { contextTokens }),
  });
  const model = (contextWindow: number, maxTokens?: number): ModelInfo => ({
    id: 'm',
    input: ['text'],
    reasoning: false,
    contextWindow,
    ...(maxTokens !== undefined && { maxTokens }),
  });

  test.each([
    ['leaves a quarter of the window for the answer', agent(), model(1_000), 750],
    ['leaves what the model may answer, if that is less', agent(), model(1_000, 100), 900],
    ['never leaves more than a quarter', agent(), model(1_000, 900), 750],
    ['takes what the operator allows', agent(300), model(1_000), 300],
    ['never more than the window has room for', agent(5_000), model(1_000), 750],
  ])('%s', (_, given, info, expected) => {
    expect(contextBudget(given, info).tokens).toBe(expected);
  });
});

test('an estimate of tokens never falls when text is added, and adds up to at most what its parts cost', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (left, right) => {
      const whole = estimateTokens(left + right);
      expect(whole).toBeGreaterThanOrEqual(estimateTokens(left));
      expect(whole).toBeLessThanOrEqual(estimateTokens(left) + estimateTokens(right));
    }),
  );
});
