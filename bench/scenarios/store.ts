/** Pages of history and lists of sessions, from stores of very different sizes. */

import type { GatewayProcess } from '../gateway-process.ts';
import { figures, interleave, type Results } from '../rounds.ts';
import {
  longSessionsOf,
  MESSAGES_PER_SESSION,
  NEIGHBOUR,
  OWNER,
  seededFolder,
  sessionKeyOf,
} from '../seed.ts';
import { type Setup, startMeasuredGateway } from '../setup.ts';
import type { Summary } from '../statistics.ts';
import type { Row, Table } from '../table.ts';

export async function store(setup: Setup): Promise<Table> {
  const { plan } = setup;
  const sizes: Serving[] = [];
  for (const sessions of plan.storedSessions) sizes.push(await serveStore(setup, sessions));
  const [least = ''] = sizes.map(({ name }) => name);
  const rows: Row[] = [];
  for (const question of QUESTIONS) {
    const results = await interleave(plan.rounds, sizes, (serving) =>
      askPages(setup, serving, question),
    );
    rows.push(...rowsOf(question, least, results));
  }
  for (const { gateway } of sizes) await gateway.stop();
  const columns = sizes.map(({ name }) => name).toReversed();
  return { title: 'pages, with so many messages stored', columns, rows };
}

/** One user, one request at a time. */
export function askPages(
  { plan, load }: Setup,
  { gateway, sessions }: Serving,
  { principal, method, list, paramsOf }: Question,
): Promise<Summary> {
  return load.run('requests', {
    port: gateway.port,
    userId: principal.userId,
    method,
    params: paramsOf(sessions),
    ...(list && { holds: { list, count: PAGE } }),
    warmUp: Math.ceil(plan.requests / 4),
    count: plan.requests,
  });
}

interface Question {
  what: string;
  method: string;
  principal: { userId: string };
  paramsOf: (sessions: number) => object[];
  /** What a page holds. */
  list?: 'messages' | 'sessions';
}

const PAGE = 50;

export const QUESTIONS: readonly Question[] = [
  {
    what: 'health (the round trip itself)',
    method: 'health',
    principal: OWNER,
    paramsOf: () => [{}],
  },
  {
    what: `chat.history, ${PAGE} messages`,
    method: 'chat.history',
    list: 'messages',
    principal: OWNER,
    paramsOf: (sessions) =>
      scattered(longSessionsOf(sessions)).map((index) => ({
        sessionKey: sessionKeyOf(index),
        limit: PAGE,
      })),
  },
  {
    what: `sessions.list, ${PAGE} of ${PAGE} sessions`,
    method: 'sessions.list',
    list: 'sessions',
    principal: NEIGHBOUR,
    paramsOf: () => [{ limit: PAGE }],
  },
  {
    what: `sessions.list, ${PAGE} of half of all sessions`,
    method: 'sessions.list',
    list: 'sessions',
    principal: OWNER,
    paramsOf: () => [{ limit: PAGE }],
  },
];

/** What a table of any size may cost more than a small one: it has another level or two. */
const GROWTH = 1.3;

function rowsOf({ what, list }: Question, least: string, results: Results<Summary>): Row[] {
  const isPage = list !== undefined;
  return [
    {
      metric: `${what}, p50`,
      unit: 'ms',
      values: figures(results, ({ p50 }) => p50),
      per: [least],
      targets: isPage ? [{ most: GROWTH, of: least }] : [],
    },
    {
      metric: `${what}, p99`,
      unit: 'ms',
      values: figures(results, ({ p99 }) => p99),
      per: [least],
      targets: isPage ? [{ most: 2 }] : [],
    },
  ];
}

/** All over the table: neighbours would find the same pages of it in memory. */
function scattered(indexes: readonly number[]): number[] {
  const step = 7_919; // A prime: it meets every place once.
  return indexes.map((_, place) => indexes[(place * step) % indexes.length] ?? 0);
}

/** A gateway on a store with so many sessions. */
export interface Serving {
  /** Its column: how many messages. */
  name: string;
  messages: number;
  sessions: number;
  gateway: GatewayProcess;
}

export async function serveStore(setup: Setup, sessions: number): Promise<Serving> {
  const stateDir = await seededFolder(sessions);
  const gateway = await startMeasuredGateway(setup, { stateDir, role: 'subject' });
  const messages = sessions * MESSAGES_PER_SESSION;
  return { name: messages.toLocaleString('en-US'), messages, sessions, gateway };
}
