/** Copies a seeded block of sessions within the database: no statement here knows more columns than it changes. */

import type { Db } from '../agents/sessions/database.ts';

/** By table, the columns that differ from block to block; `@n` counts the copies. */
const CHANGED: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  sessions: {
    id: 'id + @n * @sessions',
    user_id: `CASE user_id WHEN 'bench-owner' THEN user_id ELSE 'bench-user-' || CAST(@n AS INTEGER) END`,
    session_key: `'agent:main:seeded-' || CAST(substr(session_key, 19) + @n * @sessions AS INTEGER)`,
    session_id: `session_id || '-' || @n`,
    created_at: 'created_at + @n * 100000',
    updated_at: 'updated_at + @n * 100000',
    interacted_at: 'interacted_at + @n * 100000',
  },
  branches: { session: 'session + @n * @sessions', session_id: `session_id || '-' || @n` },
  messages: { id: 'id + @n * @messages', session: 'session + @n * @sessions' },
  runs: { session: 'session + @n * @sessions' },
};

/** Until there are so many blocks; the database holds the first one and nothing else. */
export function copyBlocks(db: Db, blocks: number): void {
  refuseUnknown(db);
  const highest = (table: string) =>
    db.prepare<[], number>(`SELECT max(id) FROM ${table}`).pluck().get() ?? 0;
  const block = { sessions: highest('sessions'), messages: highest('messages') };
  const copies = Object.entries(CHANGED).map(([table, changed]) => {
    db.exec(`CREATE TEMP TABLE first_${table} AS SELECT * FROM ${table}`);
    const columns = columnsOf(db, table);
    const values = columns.map((column) => changed[column] ?? column);
    return db.prepare<[{ n: number; sessions: number; messages: number }]>(
      `INSERT INTO ${table} (${columns.join()}) SELECT ${values.join()} FROM first_${table}`,
    );
  });
  for (let n = 1; n < blocks; n += 1) for (const copy of copies) copy.run({ n, ...block });
  db.exec(`DELETE FROM stored_bytes;
    INSERT INTO stored_bytes SELECT user_id, sum(bytes) FROM sessions GROUP BY user_id`);
}

function columnsOf(db: Db, table: string): string[] {
  return db.prepare<[string], string>('SELECT name FROM pragma_table_info(?)').pluck().all(table);
}

/** A table that came later and holds something may have to be copied too. */
function refuseUnknown(db: Db): void {
  const tables = db
    .prepare<[], string>(
      `SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'`,
    )
    .pluck()
    .all();
  for (const table of tables) {
    if (table in CHANGED || table === 'stored_bytes' || table === 'session_counts') continue;
    if (db.prepare(`SELECT 1 FROM ${table}`).get() !== undefined) {
      throw new Error(`how is ${table} to be copied?`);
    }
  }
}
