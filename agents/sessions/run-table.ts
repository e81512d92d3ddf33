/** Runs, and what they have streamed so far. */

import type { Principal } from '../principal.ts';
import type { Db } from './database.ts';
import type { RunRow } from './records.ts';
import { canExist } from './session-table.ts';
import type { RunOptions, RunState } from './store.ts';
import type { Place } from './transcript-table.ts';

export interface NewRun {
  runId: string;
  agentId: string;
  state: 'queued' | 'running';
  options: RunOptions;
  messageSeq: number;
  answerSeq: number;
  createdAt: number;
}

/** A run that has not ended, with its owner. */
export interface ActiveRunRow extends RunRow {
  user_id: string;
  instance_id: string;
}

const COLUMNS = `r.run_id, r.agent_id, r.state, r.options, r.message_seq, r.answer_seq,
  r.created_at, r.error_message, r.session, s.session_key, s.session_id AS current_session_id,
  b.session_id`;

// `m` is the user's message: its branch tells under which session id the run was accepted.
const JOINS = `JOIN sessions s ON s.id = r.session
  JOIN messages m ON m.session = r.session AND m.seq = r.message_seq
  JOIN branches b ON b.session = m.session AND b.branch = m.branch`;

// The condition has to be the index's own, word for word; INDEXED BY fails loudly if it is not.
const ACTIVE = `runs r INDEXED BY runs_active`;
const IS_ACTIVE = `r.state IN ('queued', 'running')`;

export type RunTable = ReturnType<typeof createRunTable>;

export function createRunTable(db: Db) {
  const find = db.prepare<[string, string, string, string], RunRow>(
    `SELECT ${COLUMNS} FROM runs r ${JOINS}
     WHERE s.user_id = +? AND s.instance_id = +? AND s.session_key = +? AND r.run_id = +?`,
  );
  const insert = db.prepare(
    `INSERT INTO runs (session, run_id, agent_id, state, options, message_seq, answer_seq,
       created_at, started_at)
     VALUES (@session, @runId, @agentId, @state, @options, @messageSeq, @answerSeq, @createdAt,
       @startedAt)`,
  );
  const start = db.prepare(
    `UPDATE runs SET state = 'running', started_at = ?
     WHERE session = ? AND run_id = ? AND state = 'queued'`,
  );
  const end = db.prepare(
    `UPDATE runs SET state = @state, ended_at = @timestamp, error_message = @errorMessage
     WHERE session = @session AND run_id = @runId`,
  );
  const slots = db.prepare<[number], Place>(
    `SELECT a.branch, a.depth FROM ${ACTIVE}
       JOIN messages a ON a.session = r.session AND a.seq = r.answer_seq
     WHERE r.session = +? AND ${IS_ACTIVE}`,
  );
  const queuedOf = db.prepare<[number], RunRow>(
    `SELECT ${COLUMNS} FROM ${ACTIVE} ${JOINS}
     WHERE r.session = +? AND ${IS_ACTIVE} AND r.state = 'queued' ORDER BY r.message_seq`,
  );
  const endAll = db.prepare(
    `UPDATE runs INDEXED BY runs_active SET state = 'aborted'
     WHERE session = ? AND state IN ('queued', 'running')`,
  );
  const removeSome = db.prepare(
    `DELETE FROM runs WHERE session = @session AND run_id IN
       (SELECT run_id FROM runs WHERE session = @session LIMIT +@limit)`,
  );
  // Message numbers grow with arrival, over all sessions.
  const active = db.prepare<[], ActiveRunRow>(
    `SELECT ${COLUMNS}, s.user_id, s.instance_id FROM ${ACTIVE} ${JOINS}
     WHERE ${IS_ACTIVE} ORDER BY m.id`,
  );
  const addChunk = db.prepare(
    `INSERT INTO answer_chunks (message, text)
     SELECT a.id, @text
       FROM sessions s JOIN runs r ON r.session = s.id JOIN messages a ON a.session = s.id AND a.seq = r.answer_seq
      WHERE s.user_id = +@userId AND s.instance_id = +@instanceId AND s.session_key = +@key
        AND r.run_id = +@runId AND r.state = 'running'`,
  );
  const chunks = db
    .prepare<[number], string>('SELECT text FROM answer_chunks WHERE message = ? ORDER BY id')
    .pluck();
  const dropChunks = db.prepare('DELETE FROM answer_chunks WHERE message = ?');

  return {
    find(principal: Principal, key: string, runId: string): RunRow | undefined {
      if (!canExist(principal, key)) return undefined;
      return find.get(principal.userId, principal.instanceId, key, runId);
    },

    insert(session: number, run: NewRun): void {
      const options = JSON.stringify(run.options);
      const startedAt = run.state === 'running' ? run.createdAt : null;
      insert.run({ ...run, session, options, startedAt });
    },

    /** False if it is not queued. */
    start(session: number, runId: string, timestamp: number): boolean {
      return start.run(timestamp, session, runId).changes === 1;
    },

    end(
      session: number,
      runId: string,
      outcome: { state: RunState; timestamp: number; errorMessage?: string | undefined },
    ): void {
      end.run({ ...outcome, session, runId, errorMessage: outcome.errorMessage ?? null });
    },

    /** Where the session's pending slots are, on whatever branch. */
    slots: (session: number): Place[] => slots.all(session),

    /** In the order of their arrival. */
    queuedOf: (session: number): RunRow[] => queuedOf.all(session),

    /** Ends what the session still has under way, without an answer. */
    endAll(session: number): void {
      endAll.run(session);
    },

    /** How many were removed; at most `limit`. */
    removeSome: (session: number, limit: number): number =>
      removeSome.run({ session, limit }).changes,

    /** Everybody's, in the order of their arrival; for recovery only. */
    active: (): ActiveRunRow[] => active.all(),

    /** Nothing happens unless the run is under way. */
    addChunk(principal: Principal, key: string, runId: string, text: string): void {
      if (!canExist(principal, key)) return;
      const { userId, instanceId } = principal;
      // As JSON: a plain column would lose a surrogate pair that two chunks share.
      addChunk.run({ userId, instanceId, key, runId, text: JSON.stringify(text) });
    },

    /** All that was added to the answer with this row number. */
    streamed(message: number): string {
      return chunks
        .all(message)
        .map((text) => String(JSON.parse(text)))
        .join('');
    },

    dropChunks(message: number): void {
      dropChunks.run(message);
    },
  };
}

export function ownerOf(row: ActiveRunRow): Principal {
  return { userId: row.user_id, instanceId: row.instance_id };
}
