/** Pages of history and lists of sessions, from a store with few messages and from one with many. */

import { figures, interleave } from '../rounds.ts';
import { MESSAGES_PER_SESSION, OWNER, seededFolder, sessionKeyOf } from '../seed.ts';
import { type Setup, startMeasuredGateway } from '../setup.ts';
import type { Row, Table } from '../table.ts';

export async function store(setup: Setup): Promise<Table> {
  const { plan, load } = setup;
  const sizes = await Promise.all(plan.storedSessions.map((sessions) => serve(setup, sessions)));
  const ask = (method: string, paramsOf: (sessions: number) => object[]) =>
    interleave(plan.rounds, sizes, ({ gateway, sessions }) =>
      load.run('requests', {
        port: gateway.port,
        userId: OWNER.userId,
        method,
        params: paramsOf(sessions),
        warmUp: plan.requests,
        count: plan.requests,
      }),
    );
  const columns = sizes.map(({ name }) => name);
  const [few = ''] = columns;
  const rows: Row[] = [];
  for (const { method, what, paramsOf } of QUESTIONS) {
    const results = await ask(method, paramsOf);
    for (const share of ['p50', 'p99'] as const) {
      const values = figures(results, (summary) => summary[share]);
      rows.push({ metric: `${what}, ${share}`, unit: 'ms', values, per: [few] });
    }
  }
  await Promise.all(sizes.map(({ gateway }) => gateway.stop()));
  return { title: 'pages, with so many messages stored', columns: columns.toReversed(), rows };
}

const PAGE = 50;

const QUESTIONS = [
  { method: 'health', what: 'health (the round trip itself)', paramsOf: () => [{}] },
  {
    method: 'chat.history',
    what: `chat.history, ${PAGE} messages`,
    // The owner has the sessions with even numbers.
    paramsOf: (sessions: number) =>
      Array.from({ length: sessions / 2 }, (_, index) => ({
        sessionKey: sessionKeyOf(2 * index),
        limit: PAGE,
      })),
  },
  {
    method: 'sessions.list',
    what: `sessions.list, ${PAGE} at most`,
    paramsOf: () => [{ limit: PAGE }],
  },
];

async function serve(setup: Setup, sessions: number) {
  const stateDir = await seededFolder(sessions);
  const gateway = await startMeasuredGateway(setup, { stateDir, role: 'subject' });
  const messages = sessions * MESSAGES_PER_SESSION;
  return { name: messages.toLocaleString('en-US'), sessions, gateway };
}
