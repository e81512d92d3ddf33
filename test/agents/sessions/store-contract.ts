/** What every session store does, seen from outside. Another store passes by giving its own `setUp`. */

import { beforeEach, describe, expect, it } from 'vitest';
import type { Principal } from '../../../agents/principal.ts';
import type { SessionStore, SpokenMessage } from '../../../agents/sessions/store.ts';
import { alice, answer, bob, exchange, KEY, turn } from './samples.ts';

export interface Storage {
  /** Opens a store on the same data each time; the one before must have been closed. */
  open(): SessionStore;
}

const NOT_WELL_FORMED = 'agent:main:\ud800';

export function describeSessionStore(setUp: () => Storage): void {
  describe('a session store', () => {
    let storage: Storage;
    let store: SessionStore;

    beforeEach(() => {
      storage = setUp();
      store = storage.open();
      return () => store.close();
    });

    async function reopen(): Promise<void> {
      await store.close();
      store = storage.open();
    }

    /** Sends and answers `count` turns at once, named t1, t2, … */
    async function converse(count: number, who: Principal = alice, key = KEY): Promise<void> {
      const ids = Array.from({ length: count }, (_, n) => `t${n + 1}`);
      await Promise.all(
        ids.map((id) => exchange(store, who, key, turn(id), answer(`answer ${id}`))),
      );
    }

    const texts = (messages: Iterable<SpokenMessage>) =>
      [...messages].map(({ content }) =>
        content.map((block) => (block.type === 'text' ? block.text : block.type)).join(''),
      );

    const page = (limit: number, offset = 0) => store.history(alice, KEY, { limit, offset });

    describe('a turn', () => {
      it('creates the session and takes two places', async () => {
        const accepted = await store.acceptTurn(alice, KEY, turn('r1', { timestamp: 77 }));
        expect(accepted).toMatchObject({
          outcome: 'accepted',
          created: true,
          run: { runId: 'r1', sessionKey: KEY, state: 'queued', messageSeq: 1, answerSeq: 2 },
        });
        expect(store.describe(alice, KEY)).toMatchObject({
          key: KEY,
          agentId: 'main',
          derivedTitle: 'question r1',
          createdAt: 77,
          updatedAt: 77,
          messageCount: 2,
          contextTokens: 0,
        });
        expect(store.run(alice, KEY, 'r1')).toEqual(
          accepted.outcome === 'accepted' && accepted.run,
        );
      });

      it('fills its slot when it ends', async () => {
        await store.acceptTurn(alice, KEY, turn('r1', { start: true }));
        const usage = { input: 10, output: 3, cacheRead: 5, cacheWrite: 1, total: 19 };
        const ended = await store.finishRun(
          alice,
          KEY,
          'r1',
          answer('hello', { provider: 'p', model: 'm', stopReason: 'stop', usage }),
        );
        expect(ended).toEqual({
          id: expect.stringMatching(/^[0-9a-f]{8}-2$/),
          seq: 2,
          role: 'assistant',
          content: [{ type: 'text', text: 'hello' }],
          state: 'complete',
          timestamp: 2_000,
          runId: 'r1',
          provider: 'p',
          model: 'm',
          stopReason: 'stop',
          usage,
        });
        expect(store.message(alice, KEY, ended?.id ?? '')).toEqual(ended);
        expect(store.describe(alice, KEY)).toMatchObject({
          totals: usage,
          contextTokens: 16,
          lastAnswerAt: 2_000,
          updatedAt: 2_000,
          leafId: ended?.id,
        });
        expect(store.run(alice, KEY, 'r1')?.state).toBe('final');
      });

      it('sums the usage of all answers and keeps the context of the last', async () => {
        const usage = { input: 1, output: 2, cacheRead: 4, cacheWrite: 8, total: 15 };
        for (const id of ['a', 'b']) {
          await store.acceptTurn(alice, KEY, turn(id));
          await store.finishRun(alice, KEY, id, answer(id, { usage }));
        }
        expect(store.describe(alice, KEY)).toMatchObject({
          totals: { input: 2, output: 4, cacheRead: 8, cacheWrite: 16, total: 30 },
          contextTokens: 13,
        });
      });

      it('keeps a failure and an abort with what they said', async () => {
        await Promise.all([
          store.acceptTurn(alice, KEY, turn('a')),
          store.acceptTurn(alice, KEY, turn('b')),
        ]);
        const failed = { state: 'error', errorMessage: 'The model is overloaded.' } as const;
        await store.finishRun(alice, KEY, 'a', answer('half', failed));
        await store.finishRun(alice, KEY, 'b', answer('stopped', { state: 'aborted' }));
        expect(store.run(alice, KEY, 'a')).toMatchObject(failed);
        expect(store.run(alice, KEY, 'b')?.state).toBe('aborted');
        expect(page(9)?.messages.map(({ state }) => state)).toEqual([
          'complete',
          'error',
          'complete',
          'aborted',
        ]);
      });

      it('ends once: a second end changes nothing', async () => {
        await store.acceptTurn(alice, KEY, turn('r1'));
        const first = await store.finishRun(alice, KEY, 'r1', answer('first'));
        const second = await store.finishRun(
          alice,
          KEY,
          'r1',
          answer('second', { timestamp: 9e9 }),
        );
        expect(second).toEqual(first);
      });

      it('starts once, and only from the queue', async () => {
        await store.acceptTurn(alice, KEY, turn('r1'));
        await store.acceptTurn(alice, KEY, turn('r2', { start: true }));
        expect(store.run(alice, KEY, 'r2')?.state).toBe('running');
        const starts = ['r1', 'r1', 'r2', 'r3'].map((id) => store.startRun(alice, KEY, id));
        expect(await Promise.all(starts)).toEqual([true, false, false, false]);
      });

      it('keeps its options and follows the agent that answers', async () => {
        const options = { model: 'p/m', timeoutMs: 5, thinking: 'low' as const };
        await store.acceptTurn(alice, KEY, turn('r1'));
        await store.acceptTurn(alice, KEY, turn('r2', { options, agentId: 'other' }));
        expect(store.run(alice, KEY, 'r1')).toMatchObject({ options: {}, agentId: 'main' });
        expect(store.run(alice, KEY, 'r2')).toMatchObject({ options, agentId: 'other' });
        expect(store.describe(alice, KEY)?.agentId).toBe('other');
      });

      it('stores attachments apart from the message', async () => {
        const bytes = new Uint8Array([0, 1, 255]);
        const attachments = [
          { mimeType: 'image/png', fileName: 'a.png', bytes },
          { mimeType: 'image/gif', bytes: new Uint8Array() },
        ];
        await store.acceptTurn(alice, KEY, turn('r1', { text: 'see', attachments }));
        expect(page(1)?.messages[0]?.content).toEqual([
          { type: 'text', text: 'see' },
          { type: 'image', mimeType: 'image/png', fileName: 'a.png', sizeBytes: 3, attachment: 0 },
          { type: 'image', mimeType: 'image/gif', sizeBytes: 0, attachment: 1 },
        ]);
        const stored = store.attachment(alice, KEY, 1, 0);
        expect({ ...stored, bytes: [...(stored?.bytes ?? [])] }).toEqual({
          mimeType: 'image/png',
          fileName: 'a.png',
          bytes: [0, 1, 255],
        });
        expect(store.attachment(alice, KEY, 1, 1)?.bytes).toHaveLength(0);
        expect(store.attachment(alice, KEY, 1, 2)).toBeUndefined();
        expect(store.attachment(bob, KEY, 1, 0)).toBeUndefined();
        expect(store.brief(alice, KEY).bytes).toBeGreaterThan(stored?.bytes.length ?? 0);
        expect(store.brief(bob, KEY)).toEqual({ bytes: 0 });
      });
    });

    describe('idempotency', () => {
      it('accepts concurrent sends of one run id once', async () => {
        const sends = Array.from({ length: 8 }, () => store.acceptTurn(alice, KEY, turn('same')));
        const outcomes = (await Promise.all(sends)).map(({ outcome }) => outcome);
        expect(outcomes).toEqual(['accepted', ...Array.from({ length: 7 }, () => 'duplicate')]);
        expect(store.describe(alice, KEY)?.messageCount).toBe(2);
      });

      it('knows a run after a restart, a reset, and with stale expectations', async () => {
        await store.acceptTurn(alice, KEY, turn('r1'));
        await store.finishRun(alice, KEY, 'r1', answer('done'));
        await reopen();
        await store.reset(alice, KEY, 3_000);
        const again = await store.acceptTurn(alice, KEY, turn('r1', { expectedSessionId: 'old' }));
        expect(again).toMatchObject({ outcome: 'duplicate', run: { state: 'final' } });
      });

      it('lets the same run id live in other sessions and with other people', async () => {
        const sends = [
          store.acceptTurn(alice, KEY, turn('r')),
          store.acceptTurn(alice, 'agent:main:other', turn('r')),
          store.acceptTurn(bob, KEY, turn('r')),
        ];
        expect((await Promise.all(sends)).map(({ outcome }) => outcome)).toEqual([
          'accepted',
          'accepted',
          'accepted',
        ]);
      });

      it('starts and ends a run without touching those of the same name elsewhere', async () => {
        const other = 'agent:main:other';
        await store.acceptTurn(alice, KEY, turn('r'));
        await store.acceptTurn(alice, other, turn('r'));
        await store.acceptTurn(bob, KEY, turn('r'));
        const elsewhere = () => [store.run(alice, other, 'r'), store.run(bob, KEY, 'r')];
        const before = elsewhere();
        await store.startRun(alice, KEY, 'r');
        expect(elsewhere()).toEqual(before);
        await store.checkpoint(alice, KEY, 'r', 'piece');
        await store.finishRun(alice, KEY, 'r', answer('done'));
        expect(elsewhere()).toEqual(before);
        expect(before.map((run) => run?.state)).toEqual(['queued', 'queued']);
      });
    });

    describe('expectations of a send', () => {
      it('refuses a session id that is not current', async () => {
        await converse(1);
        const old = store.describe(alice, KEY)?.sessionId ?? '';
        const current = await store.reset(alice, KEY, 3_000);
        const send = (runId: string, expectedSessionId: string | undefined) =>
          store.acceptTurn(alice, KEY, turn(runId, expectedSessionId ? { expectedSessionId } : {}));
        expect(await send('x', old)).toEqual({ outcome: 'refused', reason: 'stale_session' });
        expect(await send('y', current?.sessionId)).toMatchObject({ outcome: 'accepted' });
      });

      it('refuses a leaf that is not on the active path', async () => {
        await converse(2);
        const ids = page(9)?.messages.map(({ id }) => id) ?? [];
        const send = (runId: string, expectedLeafId: string) =>
          store.acceptTurn(alice, KEY, turn(runId, { expectedLeafId }));
        for (const [n, id] of ids.entries()) {
          expect(await send(`ok${n}`, id)).toMatchObject({ outcome: 'accepted' });
        }
        const wrongPrefix = ids[0]?.replace(/^./, (hex) => (hex === '0' ? '1' : '0')) ?? '';
        for (const bad of ['', 'x', '00000000-99', wrongPrefix]) {
          expect(await send('bad', bad)).toEqual({ outcome: 'refused', reason: 'stale_leaf' });
        }
        await store.reset(alice, KEY, 3_000);
        expect(await send('late', ids[0] ?? '')).toMatchObject({ reason: 'stale_leaf' });
      });

      it('does not create a session when it refuses', async () => {
        const expected = { expectedSessionId: 'any' };
        expect(await store.acceptTurn(alice, KEY, turn('r', expected))).toMatchObject({
          reason: 'stale_session',
        });
        expect(store.describe(alice, KEY)).toBeUndefined();
      });
    });

    describe('history', () => {
      it('pages from the newest end, oldest first, without gap or overlap', async () => {
        await converse(5);
        const seen: number[] = [];
        let offset: number | undefined = 0;
        while (offset !== undefined) {
          const part = page(3, offset);
          expect(part?.totalMessages).toBe(10);
          expect(part?.hasMore).toBe(part?.nextOffset !== undefined);
          seen.unshift(...(part?.messages.map(({ seq }) => seq) ?? []));
          expect(part?.nextOffset ?? offset + 1).toBeGreaterThan(offset);
          offset = part?.nextOffset;
        }
        expect(seen).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
        expect(page(3, 10)).toMatchObject({ messages: [], hasMore: false });
        expect(page(3, 99)).toMatchObject({ messages: [], hasMore: false });
      });

      it('leaves pending slots out, and an offset means the same after they are filled', async () => {
        await converse(2);
        await store.acceptTurn(alice, KEY, turn('p1', { start: true }));
        await store.acceptTurn(alice, KEY, turn('p2'));
        const before = page(3);
        expect(texts(before?.messages ?? [])).toEqual(['answer t2', 'question p1', 'question p2']);
        expect(before).toMatchObject({ totalMessages: 6, hasMore: true, nextOffset: 5 });
        await store.finishRun(alice, KEY, 'p1', answer('answer p1'));
        const older = page(9, before?.nextOffset);
        expect(texts(older?.messages ?? [])).toEqual(['question t1', 'answer t1', 'question t2']);
        expect(older).toMatchObject({ totalMessages: 7, hasMore: false });
      });

      it('keeps queued messages in the order of their arrival', async () => {
        await Promise.all(['a', 'b', 'c'].map((id) => store.acceptTurn(alice, KEY, turn(id))));
        for (const id of ['b', 'c', 'a']) await store.finishRun(alice, KEY, id, answer(`= ${id}`));
        expect(texts(page(9)?.messages ?? [])).toEqual([
          'question a',
          '= a',
          'question b',
          '= b',
          'question c',
          '= c',
        ]);
      });

      it('finds a message by its id and tells its place', async () => {
        await converse(3);
        const all = page(9)?.messages ?? [];
        for (const [n, message] of all.entries()) {
          expect(store.message(alice, KEY, message.id)).toEqual(message);
          const offset = store.offsetOf(alice, KEY, message.id);
          expect(offset).toBe(all.length - 1 - n);
          expect(page(1, offset)?.messages).toEqual([message]);
          expect(store.message(bob, KEY, message.id)).toBeUndefined();
          expect(store.offsetOf(bob, KEY, message.id)).toBeUndefined();
        }
        for (const bad of ['', '-1', `${all[0]?.id} `, `${all[0]?.id}0`, 'ffffffff-1e0']) {
          expect(store.message(alice, KEY, bad)).toBeUndefined();
        }
      });

      it('walks ancestors lazily while others write', async () => {
        await converse(50);
        const seen: string[] = [];
        for (const message of store.ancestors(alice, KEY, 100)) {
          seen.push(...texts([message]));
          if (seen.length === 10) await store.acceptTurn(alice, KEY, turn('meanwhile'));
        }
        expect(seen).toHaveLength(99);
        expect(seen.slice(0, 2)).toEqual(['question t50', 'answer t49']);
        expect(seen.at(-1)).toBe('question t1');
        expect([...store.ancestors(alice, KEY, 1)]).toEqual([]);
        expect([...store.ancestors(alice, KEY, 999)]).toEqual([]);
        expect([...store.ancestors(bob, KEY, 100)]).toEqual([]);
      });

      it('ends a walk whose session is deleted, even if another takes its place', async () => {
        await converse(50);
        const walk = store.ancestors(alice, KEY, 100)[Symbol.iterator]();
        walk.next();
        await store.delete(alice, KEY);
        await converse(50, bob);
        const rest: string[] = [];
        for (let next = walk.next(); !next.done; next = walk.next()) {
          rest.push(...texts([next.value]));
        }
        expect(rest.length).toBeLessThan(50);
      });
    });

    describe('notes', () => {
      it('stand at the end of the path without a run', async () => {
        await converse(1);
        const note = await store.inject(alice, KEY, {
          text: 'n.b.',
          label: 'ops',
          timestamp: 5_000,
        });
        expect(note).toMatchObject({
          seq: 3,
          role: 'assistant',
          state: 'complete',
          label: 'ops',
          content: [{ type: 'text', text: 'n.b.' }],
          timestamp: 5_000,
        });
        expect(note).not.toHaveProperty('runId');
        expect(page(1)?.messages).toEqual([note]);
        expect(store.describe(alice, KEY)).toMatchObject({ updatedAt: 5_000, messageCount: 3 });
      });

      it('never make a session', async () => {
        expect(await store.inject(alice, KEY, { text: 'x', timestamp: 1 })).toBeUndefined();
        expect(store.describe(alice, KEY)).toBeUndefined();
      });
    });

    describe('create, patch', () => {
      it('creates once and answers the existing session afterwards', async () => {
        const wanted = { key: KEY, agentId: 'main', label: 'L', model: 'p/m', timestamp: 5 };
        const first = await store.create(alice, wanted);
        expect(first).toMatchObject({
          outcome: 'created',
          session: { label: 'L', model: 'p/m', messageCount: 0, createdAt: 5 },
        });
        const second = await store.create(alice, { ...wanted, label: 'other' });
        expect(second).toEqual({ ...first, outcome: 'existing' });
        expect(page(5)).toMatchObject({ messages: [], totalMessages: 0, hasMore: false });
      });

      it('sets and clears; marks leave the date of the last update alone', async () => {
        await converse(1);
        const patch = store.patch.bind(store, alice, KEY);
        expect(await patch({ label: 'L', model: 'p/m' }, 3_000)).toMatchObject({
          label: 'L',
          model: 'p/m',
          updatedAt: 3_000,
        });
        const marks = { archived: true, pinned: true, unread: false };
        expect(await patch(marks, 4_000)).toMatchObject({
          label: 'L',
          archivedAt: 4_000,
          pinnedAt: 4_000,
          lastReadAt: 4_000,
          updatedAt: 3_000,
        });
        expect(await patch({ archived: true }, 5_000)).toMatchObject({ archivedAt: 4_000 });
        const cleared = await patch(
          { label: null, model: null, archived: false, pinned: false, unread: true },
          6_000,
        );
        for (const field of ['label', 'model', 'archivedAt', 'pinnedAt', 'lastReadAt']) {
          expect(cleared).not.toHaveProperty(field);
        }
        expect(store.describe(alice, KEY)).toEqual(cleared);
      });

      it('never makes a session', async () => {
        expect(await store.patch(alice, KEY, { label: 'x' }, 1)).toBeUndefined();
        expect(store.describe(alice, KEY)).toBeUndefined();
      });

      it('changes nothing of a session that is not the expected one any more', async () => {
        await converse(1);
        const old = store.describe(alice, KEY)?.sessionId;
        // Asked for at once, so that the reset is not stored yet.
        const reset = store.reset(alice, KEY, 3_000);
        const late = store.patch(alice, KEY, { label: 'x' }, 4_000, old);
        const after = await reset;
        expect(await late).toBe('stale_session');
        expect(store.describe(alice, KEY)).toEqual(after);
        const right = await store.patch(alice, KEY, { label: 'x' }, 4_000, after?.sessionId);
        expect(right).toMatchObject({ label: 'x' });
      });
    });

    describe('reset', () => {
      it('gives a new id and an empty path, and loses nothing', async () => {
        await converse(2);
        await store.patch(alice, KEY, { label: 'kept' }, 2_500);
        const old = page(1)?.messages[0];
        const before = store.describe(alice, KEY);
        const after = await store.reset(alice, KEY, 3_000);
        expect(after).toMatchObject({
          key: KEY,
          label: 'kept',
          messageCount: 0,
          totals: { total: 0 },
          contextTokens: 0,
          updatedAt: 3_000,
        });
        expect(after?.sessionId).not.toBe(before?.sessionId);
        expect(after).not.toHaveProperty('derivedTitle');
        expect(after).not.toHaveProperty('leafId');
        expect(page(9)).toMatchObject({ messages: [], totalMessages: 0 });
        expect(store.message(alice, KEY, old?.id ?? '')).toEqual(old);
        const next = await store.acceptTurn(alice, KEY, turn('n', { text: 'anew' }));
        expect(next).toMatchObject({
          run: { messageSeq: 5, sessionId: after?.sessionId },
        });
        expect(store.describe(alice, KEY)).toMatchObject({
          derivedTitle: 'anew',
          messageCount: 2,
        });
        expect(texts(page(9)?.messages ?? [])).toEqual(['anew']);
      });

      it('ends queued runs as aborted and lets a running one fill its old slot', async () => {
        await store.acceptTurn(alice, KEY, turn('running', { start: true }));
        await store.acceptTurn(alice, KEY, turn('queued'));
        const after = await store.reset(alice, KEY, 3_000);
        expect(store.run(alice, KEY, 'queued')?.state).toBe('aborted');
        expect(await store.startRun(alice, KEY, 'queued')).toBe(false);
        expect(page(9)?.totalMessages).toBe(0);
        const usage = { input: 1, output: 1, cacheRead: 0, cacheWrite: 0, total: 2 };
        const ended = await store.finishRun(alice, KEY, 'running', answer('late', { usage }));
        expect(ended).toMatchObject({ seq: 2, state: 'complete' });
        expect(ended?.id.slice(0, 8)).not.toBe(after?.sessionId.slice(0, 8));
        expect(store.describe(alice, KEY)).toEqual(after);
        expect(store.message(alice, KEY, ended?.id ?? '')).toEqual(ended);
      });
    });

    describe('delete', () => {
      it('removes everything; a new session of that name starts from nothing', async () => {
        const attachments = [{ mimeType: 'image/png', bytes: new Uint8Array([1]) }];
        await store.acceptTurn(alice, KEY, turn('r1', { attachments }));
        const before = store.describe(alice, KEY);
        expect(await store.delete(alice, KEY)).toBe('deleted');
        expect(await store.delete(alice, KEY)).toBe('not_found');
        expect(store.describe(alice, KEY)).toBeUndefined();
        expect(store.run(alice, KEY, 'r1')).toBeUndefined();
        expect(store.attachment(alice, KEY, 1, 0)).toBeUndefined();
        expect(await store.finishRun(alice, KEY, 'r1', answer('x'))).toBeUndefined();
        const again = await store.acceptTurn(alice, KEY, turn('r1'));
        expect(again).toMatchObject({ outcome: 'accepted', created: true, run: { messageSeq: 1 } });
        expect(store.describe(alice, KEY)?.sessionId).not.toBe(before?.sessionId);
      });

      it('removes nothing of a session that is not the expected one any more', async () => {
        await converse(1);
        const old = store.describe(alice, KEY)?.sessionId;
        const reset = store.reset(alice, KEY, 3_000);
        const late = store.delete(alice, KEY, old);
        const after = await reset;
        expect(await late).toBe('stale_session');
        expect(store.describe(alice, KEY)).toEqual(after);
        expect(await store.delete(alice, KEY, after?.sessionId)).toBe('deleted');
        expect(await store.delete(alice, KEY, after?.sessionId)).toBe('not_found');
      });

      it('takes what nobody has without complaint', async () => {
        await store.checkpoint(alice, KEY, 'r', 'text');
        expect(await store.reset(alice, KEY, 1)).toBeUndefined();
        expect(await store.startRun(alice, KEY, 'r')).toBe(false);
        expect(store.list(alice, { limit: 9, offset: 0, archived: 'all' }).total).toBe(0);
      });
    });

    describe('list', () => {
      const keys = (query: Partial<Parameters<SessionStore['list']>[1]>, who = alice) => {
        const { sessions, total } = store.list(who, {
          limit: 50,
          offset: 0,
          archived: false,
          ...query,
        });
        return { keys: sessions.map(({ key }) => key), total };
      };
      const create = (key: string, timestamp: number, label?: string, agentId = 'main') =>
        store.create(alice, { key, agentId, timestamp, ...(label !== undefined && { label }) });

      it('sorts by last update, then by age, newest first, and pages', async () => {
        await create('a', 1);
        await create('b', 3);
        await create('c', 2);
        await create('d', 3);
        expect(keys({})).toEqual({ keys: ['d', 'b', 'c', 'a'], total: 4 });
        expect(keys({ limit: 2, offset: 1 })).toEqual({ keys: ['b', 'c'], total: 4 });
        expect(keys({ offset: 4 })).toEqual({ keys: [], total: 4 });
        await store.acceptTurn(alice, 'a', turn('r', { timestamp: 9 }));
        expect(keys({ limit: 1 }).keys).toEqual(['a']);
        expect(store.list(alice, { limit: 1, offset: 0, archived: 'all' }).sessions).toEqual([
          store.describe(alice, 'a'),
        ]);
      });

      it('filters, each alone and together', async () => {
        await create('a', 1, 'x');
        await create('b', 2, 'y');
        await create('c', 3, 'x', 'other');
        await store.patch(alice, 'a', { archived: true }, 4);
        expect(keys({}).keys).toEqual(['c', 'b']);
        expect(keys({ archived: true })).toEqual({ keys: ['a'], total: 1 });
        expect(keys({ archived: 'all' })).toEqual({ keys: ['c', 'b', 'a'], total: 3 });
        expect(keys({ label: 'x' }).keys).toEqual(['c']);
        expect(keys({ label: 'x', archived: 'all' })).toEqual({ keys: ['c', 'a'], total: 2 });
        expect(keys({ agentId: 'other' }).keys).toEqual(['c']);
        expect(keys({ updatedSince: 3 }).keys).toEqual(['c']);
        expect(keys({ updatedSince: 2, agentId: 'main', label: 'y' }).keys).toEqual(['b']);
      });

      it('searches key, label and title; wildcards mean themselves', async () => {
        await create('Key-A', 1, '100% _sure_');
        await create('key-b', 2, 'back\\slash');
        await create('plain', 3, 'Übung');
        await store.acceptTurn(alice, 'titled', turn('r', { text: 'Where is the STATION?' }));
        expect(keys({ search: 'kEY-' })).toEqual({ keys: ['key-b', 'Key-A'], total: 2 });
        expect(keys({ search: 'station' }).keys).toEqual(['titled']);
        expect(keys({ search: '%' }).keys).toEqual(['Key-A']);
        expect(keys({ search: '_s' }).keys).toEqual(['Key-A']);
        expect(keys({ search: '\\' }).keys).toEqual(['key-b']);
        expect(keys({ search: 'Üb' }).keys).toEqual(['plain']);
        expect(keys({ search: '' }).total).toBe(4);
        expect(keys({ search: 'nowhere' })).toEqual({ keys: [], total: 0 });
      });

      it('shows nobody else', async () => {
        await create('a', 1);
        expect(keys({}, bob)).toEqual({ keys: [], total: 0 });
        expect(keys({ search: 'a', archived: 'all' }, bob)).toEqual({ keys: [], total: 0 });
      });
    });

    describe('names and text', () => {
      it.each([
        'é\u0000b',
        '\u0000',
        ' trailing ',
        "' OR 1=1 --",
        '🦊'.repeat(256),
        'e\u0301',
        '\u00e9',
      ])('keeps the key %j apart from all others', async (key) => {
        const neighbours = [`${key}x`, key.slice(0, -1), key.normalize('NFC'), key.toUpperCase()];
        for (const other of neighbours.filter((each) => each !== key)) {
          await store.create(alice, { key: other, agentId: 'main', timestamp: 1 });
        }
        expect(store.describe(alice, key)).toBeUndefined();
        await store.acceptTurn(alice, key, turn('r'));
        await reopen();
        expect(store.describe(alice, key)).toMatchObject({ key, messageCount: 2 });
      });

      it('lets a name that is not well-formed name nothing', async () => {
        const who = { userId: 'a\ud800', instanceId: 'i' };
        const twin = { userId: 'a\ufffd', instanceId: 'i' };
        await store.create(twin, { key: KEY, agentId: 'main', timestamp: 1 });
        await store.create(alice, { key: 'agent:main:\ufffd', agentId: 'main', timestamp: 1 });
        expect(store.describe(who, KEY)).toBeUndefined();
        expect(store.list(who, { limit: 9, offset: 0, archived: 'all' }).total).toBe(0);
        expect(store.describe(alice, NOT_WELL_FORMED)).toBeUndefined();
        const refused = { outcome: 'refused', reason: 'not_found' };
        expect(await store.acceptTurn(alice, NOT_WELL_FORMED, turn('r'))).toEqual(refused);
        expect(await store.create(who, { key: KEY, agentId: 'main', timestamp: 1 })).toEqual(
          refused,
        );
        expect(await store.delete(alice, NOT_WELL_FORMED)).toBe('not_found');
      });

      it('returns text as it was given, whatever it holds', async () => {
        const text = 'nul \u0000 lone \ud83d pair 🦊 lone \udc00 end';
        await store.acceptTurn(alice, KEY, turn('r', { text }));
        await store.finishRun(alice, KEY, 'r', answer(text));
        await reopen();
        expect(texts(page(2)?.messages ?? [])).toEqual([text, text]);
      });

      it('takes its title from the first words that there are', async () => {
        const attachments = [{ mimeType: 'image/png', bytes: new Uint8Array([1]) }];
        await store.acceptTurn(alice, KEY, turn('a', { text: '', attachments }));
        expect(store.describe(alice, KEY)).not.toHaveProperty('derivedTitle');
        await store.acceptTurn(alice, KEY, turn('b', { text: '\n  Hello there \nmore' }));
        await store.acceptTurn(alice, KEY, turn('c', { text: 'Later' }));
        expect(store.describe(alice, KEY)?.derivedTitle).toBe('Hello there');
      });
    });

    describe('recovery', () => {
      it('marks what was under way as interrupted, with the text saved by then', async () => {
        await store.acceptTurn(alice, KEY, turn('r1', { start: true }));
        await store.acceptTurn(bob, KEY, turn('silent', { start: true }));
        // The pair is split on purpose: pieces are joined as they were cut.
        await Promise.all(
          ['one ', 'two \ud83e', '\udd8a'].map((text) => store.checkpoint(alice, KEY, 'r1', text)),
        );
        await reopen();
        expect(await store.recover(7_000)).toEqual({ interrupted: 2, queued: [] });
        expect(page(1)?.messages[0]).toMatchObject({
          seq: 2,
          state: 'interrupted',
          content: [{ type: 'text', text: 'one two 🦊' }],
          timestamp: 7_000,
        });
        expect(store.run(alice, KEY, 'r1')?.state).toBe('interrupted');
        expect(store.history(bob, KEY, { limit: 1, offset: 0 })?.messages[0]?.content).toEqual([]);
        expect(await store.recover(8_000)).toEqual({ interrupted: 0, queued: [] });
      });

      it('hands out what was queued, in the order of arrival over all sessions', async () => {
        await store.acceptTurn(bob, KEY, turn('b1', { timestamp: 5 }));
        await store.acceptTurn(alice, KEY, turn('a1', { timestamp: 5, options: { model: 'p/m' } }));
        await store.acceptTurn(alice, KEY, turn('done', { timestamp: 5 }));
        await store.acceptTurn(bob, KEY, turn('b2', { timestamp: 1 }));
        await store.finishRun(alice, KEY, 'done', answer('x'));
        await reopen();
        const { queued } = await store.recover(7_000);
        expect(queued.map(({ principal, run }) => [principal, run.runId])).toEqual([
          [bob, 'b1'],
          [alice, 'a1'],
          [bob, 'b2'],
        ]);
        expect(queued[1]?.run).toEqual(store.run(alice, KEY, 'a1'));
        expect(await store.startRun(bob, KEY, 'b1')).toBe(true);
      });

      it('forgets checkpoints of an answer that ended, and those of a run that is not under way', async () => {
        await store.acceptTurn(alice, KEY, turn('r1', { start: true }));
        await store.acceptTurn(alice, KEY, turn('waits'));
        await store.checkpoint(alice, KEY, 'r1', 'partial');
        await store.checkpoint(alice, KEY, 'waits', 'never');
        await store.finishRun(alice, KEY, 'r1', answer('whole'));
        await store.checkpoint(alice, KEY, 'r1', 'late');
        await store.startRun(alice, KEY, 'waits');
        await reopen();
        await store.recover(7_000);
        expect(texts(page(9)?.messages ?? [])).toEqual([
          'question r1',
          'whole',
          'question waits',
          '',
        ]);
      });
    });

    it('commits what is pending when it closes, and refuses what comes later', async () => {
      const sends = Array.from({ length: 600 }, (_, n) =>
        store.acceptTurn(alice, KEY, turn(`r${n}`)),
      );
      await store.close();
      expect((await Promise.all(sends)).every(({ outcome }) => outcome === 'accepted')).toBe(true);
      await expect(store.delete(alice, KEY)).rejects.toMatchObject({
        name: 'StoreUnavailableError',
      });
      store = storage.open();
      expect(store.describe(alice, KEY)?.messageCount).toBe(1_200);
    });
  });
}
