/**
 * Reads the store's file with SQL of its own, knowing the tables and nothing of the code that writes
 * them, and compares it with what clients were told.
 */

import Database from 'better-sqlite3';

export interface Promised {
  user: string;
  sessionKey: string;
  runId: string;
  text: string;
  /** The whole answer, once a client was told that it is final. */
  answer?: string;
  /** Its deltas, if the client has had them from the first. */
  streamed?: string;
}

interface Row {
  role: string;
  state: string;
  content: string;
}

/** Every promise that the file does not keep, in words; none is what is hoped for. */
export function audit(path: string, promises: readonly Promised[]): string[] {
  const db = new Database(path, { readonly: true });
  try {
    const integrity = db.pragma('integrity_check', { simple: true });
    const rowsOf = db.prepare<[string, string, string], Row>(
      `SELECT role, state, content FROM messages JOIN sessions ON sessions.id = messages.session
       WHERE user_id = ? AND session_key = ? AND run_id = ? ORDER BY seq`,
    );
    return [
      ...(integrity === 'ok' ? [] : [`the file is damaged: ${String(integrity)}`]),
      ...promises.flatMap((promise) =>
        broken(promise, rowsOf.all(promise.user, promise.sessionKey, promise.runId)),
      ),
    ];
  } finally {
    db.close();
  }
}

function broken(promise: Promised, rows: readonly Row[]): string[] {
  const { runId } = promise;
  const messages = rows.filter(({ role }) => role === 'user');
  const answers = rows.filter(({ role }) => role === 'assistant');
  if (messages.length !== 1 || answers.length !== 1) {
    return [`${runId}: ${messages.length} messages and ${answers.length} answers instead of one`];
  }
  const [said] = messages.map(textOf);
  if (said !== promise.text) return [`${runId}: "${said}" is not what was acknowledged`];
  const [answer] = answers;
  if (promise.answer === undefined || !answer) return [];
  const stored = textOf(answer);
  if (answer.state !== 'complete' || stored !== promise.answer) {
    return [`${runId}: "${stored}" (${answer.state}) is not the answer that was told as final`];
  }
  if (promise.streamed === undefined || promise.streamed === stored) return [];
  return [`${runId}: "${promise.streamed}" was streamed, "${stored}" is stored`];
}

function textOf(row: Row): string {
  const blocks = JSON.parse(row.content) as { type: string; text?: string }[];
  return blocks.map(({ text }) => text ?? '').join('');
}
