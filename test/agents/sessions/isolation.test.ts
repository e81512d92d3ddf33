/**
 * Non-interference: what a principal observes is a function of his own calls alone. The same calls
 * are made once with everybody in one store and once with everybody in a store of his own; each
 * must see the same in both worlds. So a foreign session answers exactly as a missing one.
 */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Principal } from '../../../agents/principal.ts';
import { openSessionStore } from '../../../agents/sessions/sqlite-store.ts';
import type { SessionStore } from '../../../agents/sessions/store.ts';
import { answer, turn } from './samples.ts';

/** Close neighbours: equal in one part, or equal when the parts are joined. */
const PRINCIPALS: readonly Principal[] = [
  { userId: 'ab', instanceId: 'c' },
  { userId: 'a', instanceId: 'bc' },
  { userId: 'ab', instanceId: 'd' },
  { userId: 'AB', instanceId: 'c' },
];

const KEYS = ['agent:main:main', 'agent:main:side', 'agent:main:main:fork'];
const RUNS = ['r1', 'r2', 'r3'];

type Step = (store: SessionStore, who: Principal, at: number) => unknown;

const key = fc.constantFrom(...KEYS);
const runId = fc.constantFrom(...RUNS);
const seq = fc.integer({ min: 1, max: 4 });

/** What a caller who knows a session's id takes for the id of its n-th message. */
function idOf(store: SessionStore, who: Principal, k: string, n: number): string {
  return `${store.describe(who, k)?.sessionId.slice(0, 8)}-${n}`;
}

const writes: Readonly<Record<string, fc.Arbitrary<Step>>> = {
  create: key.map((k) => (store, who, timestamp) => {
    return store.create(who, { key: k, agentId: 'main', label: who.userId, timestamp });
  }),
  send: fc.tuple(key, runId, fc.boolean()).map(([k, id, start]) => (store, who, timestamp) => {
    const text = `said by ${who.userId}/${who.instanceId}`;
    const attachments = [{ mimeType: 'image/png', bytes: Buffer.from(text) }];
    return store.acceptTurn(who, k, turn(id, { text, start, timestamp, attachments }));
  }),
  finish: fc.tuple(key, runId).map(([k, id]) => (store, who, timestamp) => {
    return store.finishRun(who, k, id, answer(`answer to ${who.userId}`, { timestamp }));
  }),
  start: fc.tuple(key, runId).map(
    ([k, id]) =>
      (store, who) =>
        store.startRun(who, k, id),
  ),
  checkpoint: fc.tuple(key, runId).map(([k, id]) => (store, who) => {
    return store.checkpoint(who, k, id, 'piece');
  }),
  inject: key.map((k) => (store, who, timestamp) => {
    return store.inject(who, k, { text: `note of ${who.instanceId}`, timestamp });
  }),
  patch: fc.tuple(key, fc.boolean()).map(([k, archived]) => (store, who, timestamp) => {
    return store.patch(who, k, { label: `${who.userId} was here`, archived }, timestamp);
  }),
  reset: key.map((k) => (store, who, timestamp) => store.reset(who, k, timestamp)),
  delete: key.map((k) => (store, who) => store.delete(who, k)),
};

/** They read before they write, in more than one commit: whoever makes one waits before and after. */
const moves: Readonly<Record<string, fc.Arbitrary<Step>>> = {
  rewind: fc.tuple(key, seq).map(([k, n]) => (store, who) => {
    return store.rewind(who, k, idOf(store, who, k, n));
  }),
  switchBranch: fc.tuple(key, seq).map(([k, n]) => (store, who) => {
    return store.switchBranch(who, k, idOf(store, who, k, n));
  }),
  fork: fc.tuple(key, seq).map(([k, n]) => (store, who, timestamp) => {
    const to = { key: `${k}:fork`, agentId: 'main', timestamp };
    return store.fork(who, k, idOf(store, who, k, n), to);
  }),
};

const reads: Readonly<Record<string, fc.Arbitrary<Step>>> = {
  describe: key.map((k) => (store, who) => store.describe(who, k)),
  list: fc.constantFrom<Step>((store, who) => {
    return store.list(who, { limit: 5, offset: 0, archived: 'all', search: 'a' });
  }),
  branches: key.map((k) => (store, who) => store.branches(who, k)),
  history: key.map((k) => (store, who) => store.history(who, k, { limit: 4, offset: 0 })),
  ancestors: fc.tuple(key, seq).map(([k, n]) => (store, who) => [...store.ancestors(who, k, n)]),
  attachment: fc.tuple(key, seq).map(([k, n]) => (store, who) => {
    return store.attachment(who, k, n, 0)?.bytes.toString();
  }),
  run: fc.tuple(key, runId).map(
    ([k, id]) =>
      (store, who) =>
        store.run(who, k, id),
  ),
};

const searches: Readonly<Record<string, fc.Arbitrary<Step>>> = {
  search: key.map(
    (k) => (store, who) => store.search(who, { text: 'said BY', limit: 5, keys: [k] }),
  ),
  searchAll: fc.constant<Step>((store, who) => store.search(who, { text: 'a', limit: 5 })),
};

const script = fc.array(
  fc.record({
    who: fc.constantFrom(...PRINCIPALS),
    call: fc.oneof(
      fc.record({ step: fc.oneof(...Object.values(writes)), reads: fc.constant(false) }),
      fc.record({ step: fc.oneof(...Object.values(reads)), reads: fc.constant(true) }),
      fc.record({
        step: fc.oneof(...Object.values({ ...moves, ...searches })),
        reads: fc.constant(true),
        waits: fc.constant(true),
      }),
    ),
    /** Whether the next call waits for this one, or goes into the same commit. */
    wait: fc.boolean(),
  }),
  // Without a size fast-check makes some ten calls, too few for neighbours to meet.
  { minLength: 1, maxLength: 80, size: 'max' },
);

type Script = typeof script extends fc.Arbitrary<infer T> ? T : never;

/**
 * What each principal saw, call by call, with session ids replaced by the order of their appearance.
 * A read waits for the reader's own writes (whether one shows before it is acknowledged is left
 * open), never for anybody else's.
 */
async function play(calls: Script, storeOf: (who: Principal) => SessionStore): Promise<string[]> {
  const seen = new Map(PRINCIPALS.map((who) => [who, [] as unknown[]]));
  for (const [at, { who, call, wait }] of calls.entries()) {
    const mine = seen.get(who) ?? [];
    if (call.reads) await Promise.all(mine);
    const result = call.step(storeOf(who), who, at);
    mine.push(result);
    if (wait || 'waits' in call) await result;
  }
  const all = PRINCIPALS.map(async (who) => {
    return withoutIds(JSON.stringify(await Promise.all(seen.get(who) ?? [])));
  });
  return await Promise.all(all);
}

function withoutIds(text: string): string {
  const names = new Map<string, string>();
  const uuid = /\b([0-9a-f]{8})(-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})?(?=[-"])/g;
  return text.replace(uuid, (_, prefix: string) => {
    const name = names.get(prefix) ?? `#${names.size}`;
    names.set(prefix, name);
    return name;
  });
}

describe('isolation', () => {
  it('lets nobody observe anything of what others do', async () => {
    await fc.assert(
      fc.asyncProperty(script, async (calls) => {
        const together = openSessionStore({ path: ':memory:' });
        const alone = new Map(
          PRINCIPALS.map((who) => [who, openSessionStore({ path: ':memory:' })]),
        );
        try {
          const inOne = await play(calls, () => together);
          const apart = await play(calls, (who) => alone.get(who) ?? together);
          expect(inOne).toEqual(apart);
        } finally {
          await Promise.all([together, ...alone.values()].map((store) => store.close()));
        }
      }),
      { numRuns: 25 },
    );
  });

  it('answers for a message id of somebody else as for one that never was', async () => {
    const store = openSessionStore({ path: ':memory:' });
    try {
      for (const who of PRINCIPALS) await store.acceptTurn(who, KEYS[0] ?? '', turn('r1'));
      const leafOf = (who: Principal) => store.describe(who, KEYS[0] ?? '')?.leafId ?? '';
      for (const who of PRINCIPALS) {
        for (const other of PRINCIPALS) {
          const found = store.message(who, KEYS[0] ?? '', leafOf(other));
          expect(found?.id).toBe(who === other ? leafOf(who) : undefined);
        }
      }
    } finally {
      await store.close();
    }
  });
});
