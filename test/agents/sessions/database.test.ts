import { chmodSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, it } from 'vitest';
import { openDatabase } from '../../../agents/sessions/database.ts';
import { APPLICATION_ID, migrate, migrations } from '../../../agents/sessions/migrations.ts';
import { openSessionStore } from '../../../agents/sessions/sqlite-store.ts';
import { StoreFileError } from '../../../agents/sessions/store.ts';
import { alice, KEY, temporaryFile, turn } from './samples.ts';

const mode = (path: string) => statSync(path).mode & 0o777;

function failureToOpen(path: string): StoreFileError {
  try {
    openDatabase(path).close();
  } catch (error) {
    if (error instanceof StoreFileError) return error;
    throw error;
  }
  throw new Error('It was opened.');
}

describe('opening', () => {
  it('makes a private file in a private folder, logs included', async () => {
    const path = temporaryFile();
    const store = openSessionStore({ path });
    await store.acceptTurn(alice, KEY, turn('r'));
    expect(mode(dirname(path))).toBe(0o700);
    for (const file of [path, `${path}-wal`, `${path}-shm`]) expect(mode(file)).toBe(0o600);
    await store.close();
  });

  it('takes an existing file from the eyes of others', () => {
    const path = temporaryFile();
    openDatabase(path).close();
    chmodSync(path, 0o644);
    openDatabase(path).close();
    expect(mode(path)).toBe(0o600);
  });

  it('marks the file and relies on settings that survive a power cut', () => {
    const db = openDatabase(temporaryFile());
    const value = (name: string) => db.pragma(name, { simple: true });
    expect(value('application_id')).toBe(APPLICATION_ID);
    expect(value('user_version')).toBe(migrations.length);
    expect(value('journal_mode')).toBe('wal');
    expect(value('synchronous')).toBe(1);
    expect(value('foreign_keys')).toBe(1);
    db.close();
  });

  it('empties its log when it closes', async () => {
    const path = temporaryFile();
    const store = openSessionStore({ path });
    await store.acceptTurn(alice, KEY, turn('r'));
    await store.close();
    expect(() => statSync(`${path}-wal`)).toThrow(/ENOENT/);
  });

  it('refuses a file that a newer release wrote', () => {
    const path = temporaryFile();
    const db = openDatabase(path);
    db.pragma(`user_version = ${migrations.length + 1}`);
    db.close();
    const failure = failureToOpen(path);
    expect(failure.reason).toBe('newer');
    expect(failure.message).toMatch(/a newer release wrote it/);
    expect(failure.message).toContain(path);
  });

  it.each(['CREATE TABLE t (a)', 'PRAGMA application_id = 7', 'PRAGMA user_version = 1'])(
    'refuses the database of another program and leaves it as it was: %s',
    (statement) => {
      const path = temporaryFile();
      mkdirSync(dirname(path), { recursive: true });
      const other = new Database(path);
      other.exec(statement);
      other.close();
      expect(failureToOpen(path).reason).toBe('foreign');
      const after = new Database(path);
      expect(after.pragma('journal_mode', { simple: true })).toBe('delete');
      expect(after.prepare(`SELECT 1 FROM sqlite_schema WHERE name = 'sessions'`).all()).toEqual(
        [],
      );
      after.close();
    },
  );

  it('refuses what is no database, with the reason as its cause', () => {
    const path = temporaryFile();
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(
      path,
      'this is a text file, and long enough to be taken for a header\n'.repeat(99),
    );
    expect(failureToOpen(path)).toMatchObject({
      reason: 'unusable',
      cause: { code: 'SQLITE_NOTADB' },
    });
  });

  it('refuses a path that cannot be', () => {
    const path = temporaryFile();
    mkdirSync(path, { recursive: true });
    expect(failureToOpen(path)).toMatchObject({ reason: 'unusable', cause: { code: 'EISDIR' } });
  });
});

describe('migrating', () => {
  const next = 'ALTER TABLE sessions ADD COLUMN colour TEXT; UPDATE sessions SET colour = label;';
  const broken = 'CREATE TABLE half (a); INSERT INTO nowhere VALUES (1);';

  const version = (db: Database.Database) => db.pragma('user_version', { simple: true });

  it('takes an old file through the later steps and keeps its data', async () => {
    const path = temporaryFile();
    const store = openSessionStore({ path });
    await store.create(alice, { key: KEY, agentId: 'main', label: 'blue', timestamp: 1 });
    await store.close();
    const db = new Database(path);
    migrate(db, [...migrations, next]);
    expect(version(db)).toBe(migrations.length + 1);
    expect(db.prepare('SELECT session_key, colour FROM sessions').all()).toEqual([
      { session_key: KEY, colour: 'blue' },
    ]);
    migrate(db, [...migrations, next]);
    expect(version(db)).toBe(migrations.length + 1);
    db.close();
  });

  it('keeps in order what answers under way had streamed in an old file', async () => {
    const path = temporaryFile();
    mkdirSync(dirname(path), { recursive: true });
    const old = new Database(path);
    migrate(old, migrations.slice(0, 4));
    old.exec(`
      INSERT INTO sessions (user_id, instance_id, session_key, session_id, agent_id, created_at,
        updated_at, depth, next_seq) VALUES ('alice', 'tokyo', '${KEY}', 's', 'main', 1, 1, 2, 3);
      INSERT INTO branches (session, branch, fork_depth, session_id) VALUES (1, 1, 0, 's');
      INSERT INTO messages (session, seq, branch, depth, role, state, content, timestamp)
        VALUES (1, 1, 1, 1, 'user', 'complete', '[]', 1), (1, 2, 1, 2, 'assistant', 'pending', '[]', 1);
      INSERT INTO runs (session, run_id, agent_id, state, options, message_seq, answer_seq, created_at)
        VALUES (1, 'r', 'main', 'running', '{}', 1, 2, 1);
      INSERT INTO answer_chunks (message, n, text) VALUES (2, 10, '" time"'), (2, 2, '" upon a"'), (2, 1, '"Once"');
    `);
    old.close();
    const store = openSessionStore({ path });
    await store.checkpoint(alice, KEY, 'r', '.');
    await store.recover(9);
    const page = store.history(alice, KEY, { limit: 1, offset: 0 });
    expect(page?.messages[0]?.content).toEqual([{ type: 'text', text: 'Once upon a time.' }]);
    await store.close();
  });

  it('knows of an old file when the user last said something', async () => {
    const path = temporaryFile();
    mkdirSync(dirname(path), { recursive: true });
    const old = new Database(path);
    migrate(old, migrations.slice(0, 1));
    const session = old.prepare(
      `INSERT INTO sessions (user_id, instance_id, session_key, session_id, agent_id, created_at, updated_at)
       VALUES ('alice', 'tokyo', ?, ?, 'main', ?, ?)`,
    );
    session.run('silent', 'a', 5, 90);
    session.run('early', 'b', 1, 80);
    session.run('late', 'c', 1, 70);
    const message = old.prepare(
      `INSERT INTO messages (session, seq, branch, depth, role, state, content, timestamp)
       VALUES (?, ?, 1, ?, ?, 'complete', '[]', ?)`,
    );
    message.run(2, 1, 1, 'user', 10);
    message.run(2, 2, 2, 'assistant', 60);
    message.run(3, 1, 1, 'user', 11);
    message.run(3, 2, 2, 'user', 20);
    old.close();
    const store = openSessionStore({ path });
    const query = { limit: 9, offset: 0, archived: 'all', sortBy: 'lastInteractionAt' } as const;
    const { sessions } = store.list(alice, query);
    expect(sessions.map(({ key, interactedAt }) => [key, interactedAt])).toEqual([
      ['late', 20],
      ['early', 10],
      ['silent', 5],
    ]);
    await store.close();
  });

  it('takes an empty file through all steps in order', () => {
    const db = new Database(':memory:');
    migrate(db, ['CREATE TABLE t (a)', 'INSERT INTO t VALUES (1)', 'UPDATE t SET a = a + 1']);
    expect(db.prepare('SELECT a FROM t').pluck().get()).toBe(2);
    expect(version(db)).toBe(3);
    expect(db.pragma('application_id', { simple: true })).toBe(APPLICATION_ID);
    db.close();
  });

  it('leaves a step alone that another process has done since it looked', () => {
    const path = temporaryFile();
    openDatabase(path).close();
    const db = new Database(path);
    const other = new Database(path);
    const steps = [...migrations, next];
    // Read after the version was looked at and before the lock is taken: the moment of the race.
    Object.defineProperty(steps, migrations.length, {
      get() {
        migrate(other, [...migrations, next]);
        return next;
      },
    });
    migrate(db, steps);
    expect(version(db)).toBe(migrations.length + 1);
    other.close();
    db.close();
  });

  it('leaves the file as the last good step did when a step fails', () => {
    const db = new Database(':memory:');
    expect(() => migrate(db, [...migrations, broken])).toThrow(/nowhere/);
    expect(version(db)).toBe(migrations.length);
    expect(db.prepare(`SELECT 1 FROM sqlite_schema WHERE name = 'half'`).all()).toEqual([]);
    migrate(db, [...migrations, next]);
    expect(version(db)).toBe(migrations.length + 1);
    db.close();
  });
});
