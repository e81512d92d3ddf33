/**
 * Full-text search over one principal's conversations. It reads what the principal has, and nothing
 * else: an index over everybody's messages would make one user's search as slow as all the others'
 * messages are many, and every send pay for it. The reading is done in slices of a few milliseconds,
 * one per turn of the event loop over all searches, and is bounded.
 */

import type { Principal } from '../principal.ts';
import type { Db } from './database.ts';
import { messageId, parseContent, type SessionRow } from './records.ts';
import { compileQuery, type Matcher } from './search-match.ts';
import type { SearchHit, SearchQuery, SearchResult } from './store.ts';
import type { Stretch } from './transcript-table.ts';
import type { Tables } from './turns.ts';

interface SearchBounds {
  /** Milliseconds of one slice. */
  sliceMs: number;
  /** What one search reads at most, newest session first. */
  maxMessages: number;
  maxBytes: number;
  maxSessions: number;
  /** Longest message that is looked into, in bytes. */
  maxMessageBytes: number;
  /** Searches of one principal that may be under way or wait. */
  maxPerPrincipal: number;
}

const BOUNDS: SearchBounds = {
  sliceMs: 4,
  maxMessages: 50_000,
  maxBytes: 64 * 1024 * 1024,
  maxSessions: 10_000,
  maxMessageBytes: 1024 * 1024,
  maxPerPrincipal: 4,
};

interface SearchRow {
  seq: number;
  depth: number;
  role: SearchHit['role'];
  timestamp: number;
  bytes: number;
  /** Null if it is too long. */
  content: string | null;
}

interface Search {
  /** `'busy'` if the principal searches too much at once. Rejects when the database is closed meanwhile. */
  run(principal: Principal, query: SearchQuery): Promise<SearchResult | 'busy'>;
}

export function createSearch(
  db: Db,
  { sessions, transcript }: Pick<Tables, 'sessions' | 'transcript'>,
  options: { elapsed?: () => number } & Partial<SearchBounds> = {},
): Search {
  const { elapsed = () => performance.now(), ...given } = options;
  const bounds: SearchBounds = { ...BOUNDS, ...given };
  const turns = createTurns();
  const rows = db.prepare<[{ session: number; maxBytes: number } & Stretch], SearchRow>(
    `SELECT seq, depth, role, timestamp, octet_length(content) AS bytes,
       CASE WHEN octet_length(content) <= +@maxBytes THEN content END AS content
     FROM messages
     WHERE session = +@session AND branch = +@branch AND depth BETWEEN +@from AND +@to
       AND state <> 'pending'
     ORDER BY depth DESC`,
  );
  const busy = new Map<string, number>();

  function sessionsOf(principal: Principal, keys?: readonly string[]): number[] {
    if (!keys) return sessions.numbers(principal, bounds.maxSessions + 1);
    return [...new Set(keys)].flatMap((key) => sessions.find(principal, key)?.id ?? []);
  }

  async function run(principal: Principal, query: SearchQuery): Promise<SearchResult> {
    const found = createHits(query.limit);
    const matches = compileQuery(query.text);
    if (!matches) return found.result();
    const wanted = sessionsOf(principal, query.keys);
    if (wanted.length > bounds.maxSessions) found.cut();
    const left = { messages: bounds.maxMessages, bytes: bounds.maxBytes };
    let end = 0;
    /** Lets everybody else have their turn when the slice is over. */
    const breathe = async () => {
      if (elapsed() < end) return;
      await turns.next();
      end = elapsed() + bounds.sliceMs;
    };
    for (const id of wanted.slice(0, bounds.maxSessions)) {
      await breathe();
      const session = sessions.own(principal, id);
      if (!session) continue;
      if (query.agentId !== undefined && session.agent_id !== query.agentId) continue;
      for (const part of transcript.path(id, session)) {
        let { to } = part;
        while (to >= part.from) {
          await breathe();
          // It may have been deleted or reset meanwhile.
          if (sessions.own(principal, id)?.session_id !== session.session_id) break;
          if (left.messages <= 0 || left.bytes <= 0) return found.cut().result();
          to = readSlice({ session, part: { ...part, to }, matches, end, left }, found);
        }
      }
    }
    return found.result();
  }

  interface Slice {
    session: SessionRow;
    part: Stretch;
    matches: Matcher;
    end: number;
    left: { messages: number; bytes: number };
  }

  /** Reads until the slice's end; the depth to go on at. No statement is open when it returns. */
  function readSlice({ session, part, matches, end, left }: Slice, found: Hits): number {
    const maxBytes = bounds.maxMessageBytes;
    for (const row of rows.iterate({ ...part, session: session.id, maxBytes })) {
      left.messages -= 1;
      left.bytes -= Math.min(row.bytes, maxBytes);
      if (row.content === null) found.cut();
      else look(session, row, row.content, matches, found);
      if (elapsed() >= end || left.messages <= 0 || left.bytes <= 0) return row.depth - 1;
    }
    return part.from - 1;
  }

  return {
    async run(principal, query) {
      const who = JSON.stringify([principal.userId, principal.instanceId]);
      const count = busy.get(who) ?? 0;
      if (count >= bounds.maxPerPrincipal) return 'busy';
      busy.set(who, count + 1);
      try {
        return await run(principal, query);
      } finally {
        const rest = (busy.get(who) ?? 1) - 1;
        if (rest > 0) busy.set(who, rest);
        else busy.delete(who);
      }
    },
  };
}

function look(
  session: SessionRow,
  row: SearchRow,
  json: string,
  matches: Matcher,
  found: Hits,
): void {
  if (!matches.maybe(json)) return;
  const said = parseContent(json).flatMap((block) => (block.type === 'text' ? [block.text] : []));
  const match = matches.match(said.join('\n'));
  if (!match) return;
  found.add({
    key: session.session_key,
    sessionId: session.session_id,
    messageId: messageId(session.session_id, row.seq),
    role: row.role,
    timestamp: row.timestamp,
    ...match,
  });
}

interface Hits {
  add(hit: SearchHit): void;
  /** Something was not read. */
  cut(): Hits;
  result(): SearchResult;
}

/** The best `limit` of all that are added; newer ones first among equals. */
function createHits(limit: number): Hits {
  let best: SearchHit[] = [];
  let count = 0;
  let isCut = false;
  const keepBest = () => {
    best = best.toSorted((a, b) => b.score - a.score || b.timestamp - a.timestamp).slice(0, limit);
  };
  const hits: Hits = {
    add(hit) {
      count += 1;
      best.push(hit);
      // Sorted now and then: the cost per hit stays the same however many there are.
      if (best.length >= 8 * limit) keepBest();
    },
    cut() {
      isCut = true;
      return hits;
    },
    result() {
      keepBest();
      return { hits: best, truncated: isCut || count > limit };
    },
  };
  return hits;
}

/** Who waits for a turn gets one of the event loop, and nobody else gets the same one. */
function createTurns() {
  const waiting: (() => void)[] = [];
  const step = () => {
    waiting.shift()?.();
    if (waiting.length > 0) setImmediate(step);
  };
  return {
    next: (): Promise<void> =>
      new Promise((resolve) => {
        waiting.push(resolve);
        if (waiting.length === 1) setImmediate(step);
      }),
  };
}
