/** Rewind, branches and forks, as a simple tree would have them. */

import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openSessionStore } from '../../../agents/sessions/sqlite-store.ts';
import type { MessageRecord, Moved, SessionStore } from '../../../agents/sessions/store.ts';
import { alice, answer, bob, exchange, KEY, temporaryFile, turn } from './samples.ts';

let store: SessionStore;

beforeEach(() => {
  store = openSessionStore({ path: ':memory:' });
});
afterEach(() => store.close());

async function say(id: string, key = KEY): Promise<void> {
  const attachments = [
    { mimeType: 'image/gif', bytes: Buffer.alloc(0) },
    { mimeType: 'image/png', bytes: Buffer.from(`picture ${id}`) },
  ];
  await store.acceptTurn(alice, key, turn(id, { text: id, attachments, start: true }));
  await store.finishRun(alice, key, id, answer(`= ${id}`));
}

const textOf = ({ content }: MessageRecord) =>
  content.map((block) => (block.type === 'text' ? block.text : '')).join('');

const messages = (key = KEY) => [
  ...(store.history(alice, key, { limit: 999, offset: 0 })?.messages ?? []),
];
const path = (key = KEY) => messages(key).map(textOf);
const branches = () => store.branches(alice, KEY) ?? [];

function moved(result: Moved) {
  if (result.outcome !== 'moved') throw new Error(`refused: ${result.reason}`);
  return result;
}

const refusedWith = (reason: string) => ({ outcome: 'refused', reason });

interface Node {
  text: string;
  parent: Node | undefined;
  children: number;
}

/** The tree, the leaf, and the end of each branch in the order in which they began. */
function createModel() {
  const root: Node = { text: '', parent: undefined, children: 0 };
  const tips: Node[] = [];
  let leaf = root;
  const pathOf = (node: Node): Node[] =>
    node.parent === undefined ? [] : [...pathOf(node.parent), node];

  function add(text: string): void {
    const at = leaf.children > 0 ? tips.length : Math.max(0, tips.indexOf(leaf));
    leaf.children += 1;
    leaf = { text, parent: leaf, children: 0 };
    tips[at] = leaf;
  }
  return {
    say(text: string) {
      add(text);
      add(`= ${text}`);
    },
    path: () => pathOf(leaf).map(({ text }) => text),
    go(to: Node | undefined) {
      leaf = to ?? root;
    },
    at: (index: number) => pathOf(leaf)[index],
    tips,
    branches: () =>
      tips.map((tip) => ({ count: pathOf(tip).length, last: tip.text, active: tip === leaf })),
  };
}

describe('rewind and switch', () => {
  it('move over the tree of what was said, and lose nothing', async () => {
    const step = fc.oneof(
      { weight: 3, arbitrary: fc.constant({ do: 'say' as const, at: 0 }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constant('rewind' as const), at: fc.nat(30) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('switch' as const), at: fc.nat(30) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('fork' as const), at: fc.nat(60) }) },
    );
    const script = fc.array(step, { minLength: 2, maxLength: 30, size: 'max' });
    await fc.assert(
      fc.asyncProperty(script, async (steps) => {
        await store.delete(alice, KEY);
        const model = createModel();
        for (const [n, { do: action, at }] of [{ do: 'say' as const, at: 0 }, ...steps].entries()) {
          const now = messages();
          if (action === 'say') {
            await say(`t${n}`);
            model.say(`t${n}`);
          } else if (action === 'rewind' && now.length > 0) {
            const index = 2 * (at % (now.length / 2));
            const result = moved(await store.rewind(alice, KEY, now[index]?.id ?? ''));
            expect(result.message).toEqual(now[index]);
            model.go(model.at(index - 1));
          } else if (action === 'switch') {
            const index = at % model.tips.length;
            moved(await store.switchBranch(alice, KEY, branches()[index]?.leafId ?? ''));
            model.go(model.tips[index]);
          } else if (action === 'fork' && now.length > 0) {
            const index = at % now.length;
            const to = { key: `fork-${n}`, agentId: 'main', timestamp: n };
            const entry = now[index];
            const result = moved(await store.fork(alice, KEY, entry?.id ?? '', to));
            expect(result.message).toEqual(entry?.role === 'user' ? entry : undefined);
            const copied = model.path().slice(0, index + (entry?.role === 'user' ? 0 : 1));
            expect(path(to.key)).toEqual(copied);
            await say('and on', to.key);
            expect(path(to.key)).toEqual([...copied, 'and on', '= and on']);
            await store.delete(alice, to.key);
          }
          expect(path()).toEqual(model.path());
          expect(store.describe(alice, KEY)).toMatchObject({ messageCount: model.path().length });
          const listed = branches().map(({ leafId, messageCount, active }) => {
            const leaf = store.message(alice, KEY, leafId);
            return { count: messageCount, last: leaf && textOf(leaf), active };
          });
          expect(listed).toEqual(model.branches());
        }
      }),
      { numRuns: 60 },
    );
  });

  it('begin where the message stands, however often it is written again', async () => {
    await say('a');
    for (let n = 0; n < 300; n += 1) {
      moved(await store.rewind(alice, KEY, messages()[0]?.id ?? ''));
      await say(`b${n}`);
    }
    expect(path()).toEqual(['b299', '= b299']);
    // The newest hundred, each directly below the root.
    expect(branches()).toHaveLength(100);
    expect(branches().at(-1)).toMatchObject({ headline: 'b299', messageCount: 2, active: true });
    expect(branches().every(({ messageCount }) => messageCount === 2)).toBe(true);
  });

  it('carry title and context with the path', async () => {
    const usage = { input: 5, output: 1, cacheRead: 2, cacheWrite: 0, total: 8 };
    await store.acceptTurn(alice, KEY, turn('a', { text: 'first', start: true }));
    await store.finishRun(alice, KEY, 'a', answer('one', { usage }));
    const first = branches()[0]?.leafId ?? '';
    moved(await store.rewind(alice, KEY, messages()[0]?.id ?? ''));
    expect(store.describe(alice, KEY)).toMatchObject({ derivedTitle: 'first', contextTokens: 0 });
    expect(store.describe(alice, KEY)).not.toHaveProperty('leafId');
    await say('second');
    expect(store.describe(alice, KEY)).toMatchObject({ derivedTitle: 'second' });
    moved(await store.switchBranch(alice, KEY, first));
    expect(store.describe(alice, KEY)).toMatchObject({ derivedTitle: 'first', contextTokens: 7 });
  });

  it('are refused while an answer is under way, or waits', async () => {
    await say('a');
    const [question] = messages();
    const leaf = branches()[0]?.leafId ?? '';
    await store.acceptTurn(alice, KEY, turn('b'));
    expect(await store.rewind(alice, KEY, question?.id ?? '')).toEqual(refusedWith('busy'));
    expect(await store.switchBranch(alice, KEY, leaf)).toEqual(refusedWith('busy'));
    await store.finishRun(alice, KEY, 'b', answer('= b'));
    moved(await store.rewind(alice, KEY, question?.id ?? ''));
  });

  it('are refused for what is not there', async () => {
    await say('a');
    const [question, reply] = messages();
    await say('b');
    const old = branches()[0]?.leafId ?? '';
    expect(await store.rewind(alice, 'nowhere', old)).toEqual(refusedWith('not_found'));
    expect(await store.rewind(bob, KEY, old)).toEqual(refusedWith('not_found'));
    expect(await store.rewind(alice, KEY, 'nonsense')).toEqual(refusedWith('no_message'));
    expect(await store.rewind(alice, KEY, reply?.id ?? '')).toEqual(refusedWith('not_user'));
    expect(await store.switchBranch(alice, KEY, reply?.id ?? '')).toEqual(
      refusedWith('stale_leaf'),
    );
    const later = messages()[2]?.id ?? '';
    moved(await store.rewind(alice, KEY, later));
    await say('c');
    expect(await store.rewind(alice, KEY, later)).toEqual(refusedWith('stale_leaf'));
    await store.reset(alice, KEY, 9);
    // What was said before a reset is another conversation.
    expect(branches()).toEqual([]);
    expect(await store.switchBranch(alice, KEY, old)).toEqual(refusedWith('no_message'));
    expect(await store.rewind(alice, KEY, question?.id ?? '')).toEqual(refusedWith('no_message'));
    expect(store.branches(bob, KEY)).toBeUndefined();
  });
});

describe('a fork', () => {
  const to = { key: 'the-fork', agentId: 'main', timestamp: 77 };

  it('has the files, the model and an identity of its own', async () => {
    await say('a');
    await store.patch(alice, KEY, { model: 'mock/other', label: 'named' }, 5);
    const made = moved(await store.fork(alice, KEY, messages()[1]?.id ?? '', to)).session;
    const source = store.describe(alice, KEY);
    expect(made).toMatchObject({ key: to.key, model: 'mock/other', derivedTitle: 'a' });
    expect(made).toMatchObject({ createdAt: 77, totals: { total: 0 } });
    expect(made).not.toHaveProperty('label');
    expect(made.sessionId).not.toBe(source?.sessionId);
    expect(store.attachment(alice, to.key, 1, 1)?.bytes.toString()).toBe('picture a');
    await store.delete(alice, KEY);
    expect(path(to.key)).toEqual(['a', '= a']);
    expect(store.attachment(alice, to.key, 1, 1)?.bytes.toString()).toBe('picture a');
    expect(store.attachment(alice, to.key, 1, 0)).toMatchObject({ mimeType: 'image/gif' });
    // Run ids are unique within a session: the source's do not count here.
    expect(await store.acceptTurn(alice, to.key, turn('a'))).toMatchObject({ outcome: 'accepted' });
  });

  it('tells failures as its source does', async () => {
    await store.acceptTurn(alice, KEY, turn('f', { start: true }));
    const errorKind = 'timeout' as const;
    const failed = answer('half', { state: 'error', errorMessage: 'Too slow.', errorKind });
    await store.finishRun(alice, KEY, 'f', failed);
    await store.fork(alice, KEY, messages()[1]?.id ?? '', to);
    expect(messages(to.key)[1]).toMatchObject({ errorMessage: 'Too slow.', errorKind });
  });

  it('is refused for what is not there, and for an answer that is still to come', async () => {
    await say('a');
    const [question] = messages();
    await store.acceptTurn(alice, KEY, turn('b', { start: true }));
    const queued = await store.acceptTurn(alice, KEY, turn('c'));
    const id = store.describe(alice, KEY)?.sessionId.slice(0, 8);
    const after = queued.outcome === 'accepted' ? `${id}-${queued.run.messageSeq}` : '';
    expect(await store.fork(alice, KEY, after, to)).toEqual(refusedWith('busy'));
    expect(await store.fork(bob, KEY, question?.id ?? '', to)).toEqual(refusedWith('not_found'));
    expect(await store.fork(alice, KEY, 'nonsense', to)).toEqual(refusedWith('no_message'));
    const taken = { ...to, key: KEY };
    expect(await store.fork(alice, KEY, question?.id ?? '', taken)).toEqual(refusedWith('exists'));
    expect(store.list(alice, { limit: 9, offset: 0, archived: 'all' }).total).toBe(1);
    moved(await store.fork(alice, KEY, question?.id ?? '', to));
    expect(path(to.key)).toEqual([]);
  });

  it('of a long conversation lets others write, and is seen only when it is whole', async () => {
    const ids = Array.from({ length: 1_000 }, (_, n) => `t${n}`);
    await Promise.all(ids.map((id) => exchange(store, alice, KEY, turn(id), answer(`= ${id}`))));
    const leaf = store.describe(alice, KEY)?.leafId ?? '';
    const order: string[] = [];
    const making = store.fork(alice, KEY, leaf, to).then(() => order.push('fork'));
    for (let n = 0; n < 3; n += 1) {
      await store.acceptTurn(bob, KEY, turn(`b${n}`));
      order.push('write');
      expect(store.describe(alice, to.key)).toBeUndefined();
      expect(store.list(alice, { limit: 9, offset: 0, archived: 'all' }).total).toBe(1);
    }
    await making;
    expect(order).toEqual(['write', 'write', 'write', 'fork']);
    expect(store.history(alice, to.key, { limit: 1, offset: 0 })).toMatchObject({
      totalMessages: 2_000,
      messages: [{ content: [{ text: '= t999' }] }],
    });
    const first = store.history(alice, to.key, { limit: 1, offset: 1_999 });
    expect(first?.messages.map(textOf)).toEqual(['question t0']);
  });

  it('is not made if its source is deleted meanwhile', async () => {
    const ids = Array.from({ length: 300 }, (_, n) => `t${n}`);
    await Promise.all(ids.map((id) => store.acceptTurn(alice, KEY, turn(id, { start: true }))));
    await Promise.all(ids.map((id) => store.finishRun(alice, KEY, id, answer(`= ${id}`))));
    const leaf = store.describe(alice, KEY)?.leafId ?? '';
    const making = store.fork(alice, KEY, leaf, to);
    await store.acceptTurn(bob, KEY, turn('one commit later'));
    await store.delete(alice, KEY);
    expect(await making).toEqual(refusedWith('not_found'));
    expect(store.list(alice, { limit: 9, offset: 0, archived: 'all' }).total).toBe(0);
  });
});

it('branches survive a restart', async () => {
  const file = temporaryFile();
  await store.close();
  store = openSessionStore({ path: file });
  await say('a');
  moved(await store.rewind(alice, KEY, messages()[0]?.id ?? ''));
  await say('b');
  const before = branches();
  await store.close();
  store = openSessionStore({ path: file });
  expect(branches()).toEqual(before);
  expect(before.map(({ headline, active }) => [headline, active])).toEqual([
    ['a', false],
    ['b', true],
  ]);
});
