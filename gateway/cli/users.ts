/** `oc-gateway users export|delete`: what the store holds of one person, and its end. */

import { existsSync } from 'node:fs';
import { openSessionStore } from '../../agents/sessions/sqlite-store.ts';
import { type Removed, type SessionStore, StoreFileError } from '../../agents/sessions/store.ts';
import { exportUser } from '../../agents/sessions/user-export.ts';
import { formatProblem } from '../config/problem.ts';
import { loadSection, onStore, type StoreFlags } from './db.ts';
import type { Io } from './io.ts';

/** Prints one JSON object a line. Exit code 1 if the store knows no such user. */
export async function usersExport(io: Io, flags: StoreFlags, userId: string): Promise<number> {
  return onStore(io, flags, (path) => {
    let lines = 0;
    for (const record of exportUser(path, userId)) {
      io.stdout.write(`${JSON.stringify(record)}\n`);
      lines += 1;
    }
    if (lines > 0) return 0;
    io.stderr.write(
      'oc-gateway: the store holds nothing of this user id; ids are case-sensitive\n',
    );
    return 1;
  });
}

/**
 * Removes everything of a user: from the file if nobody serves it, else through the gateway that does. Exit code
 * 1 if that cannot be, or if the store knows no such user.
 */
export async function usersDelete(io: Io, flags: StoreFlags, userId: string): Promise<number> {
  return onStore(io, flags, async (path) => {
    if (!existsSync(path)) {
      throw new StoreFileError('unusable', path, 'There is no session store at this path.');
    }
    const store = openUnlessServed(path);
    return store ? deleteHere(io, store, userId) : deleteThere(io, flags, userId);
  });
}

/** Nothing if a gateway has it open. */
function openUnlessServed(path: string): SessionStore | undefined {
  try {
    return openSessionStore({ path });
  } catch (error) {
    if (error instanceof StoreFileError && error.reason === 'in_use') return undefined;
    throw error;
  }
}

async function deleteHere(io: Io, store: SessionStore, userId: string): Promise<number> {
  try {
    return told(io, await store.deleteUser(userId));
  } catch (error) {
    io.stderr.write(`oc-gateway: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  } finally {
    await store.close();
  }
}

async function deleteThere(io: Io, flags: StoreFlags, userId: string): Promise<number> {
  const loaded = loadSection(io, flags, 'admin');
  if (!loaded.ok) {
    io.stderr.write('oc-gateway: a gateway serves this store, and how to ask it cannot be read:\n');
    for (const problem of loaded.errors) io.stderr.write(`${formatProblem(problem)}\n`);
    return 1;
  }
  const { admin } = loaded.config.gateway;
  if (!admin?.operatorToken || admin.port === 0) {
    io.stderr.write(
      'oc-gateway: a gateway serves this store; set gateway.admin with a fixed port and an operatorToken, or stop the gateway\n',
    );
    return 1;
  }
  const url = `http://${addressFor(admin.host)}:${admin.port}/v1/users/delete`;
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { authorization: `Bearer ${admin.operatorToken}` },
      body: JSON.stringify({ userId }),
    });
    const answer: unknown = await response.json();
    if (response.ok && isRemoved(answer)) return told(io, answer);
    const why = messageIn(answer) ?? 'see its log';
    io.stderr.write(`oc-gateway: the gateway refused (HTTP ${response.status}): ${why}\n`);
  } catch {
    io.stderr.write(`oc-gateway: no gateway answers on ${admin.host}:${admin.port}\n`);
  }
  return 1;
}

/** Of a refusal, `{error: {message}}`. */
function messageIn(answer: unknown): string | undefined {
  if (typeof answer !== 'object' || answer === null || !('error' in answer)) return undefined;
  const { error } = answer;
  if (typeof error !== 'object' || error === null || !('message' in error)) return undefined;
  return typeof error.message === 'string' ? error.message : undefined;
}

/** Where a listener on this address can be reached from here. */
function addressFor(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return host.includes(':') ? `[${host}]` : host;
}

function isRemoved(answer: unknown): answer is Removed {
  return (
    typeof answer === 'object' &&
    answer !== null &&
    'sessions' in answer &&
    typeof answer.sessions === 'number' &&
    'messages' in answer &&
    typeof answer.messages === 'number'
  );
}

function told(io: Io, { sessions, messages }: Removed): number {
  if (sessions === 0) {
    io.stderr.write(
      'oc-gateway: the store holds nothing of this user id; ids are case-sensitive\n',
    );
    return 1;
  }
  io.stdout.write(`removed ${sessions} sessions with ${messages} messages\n`);
  io.stdout.write(
    'Deleted rows leave traces in the file until "oc-gateway db vacuum"; backups are yours to remove.\n',
  );
  return 0;
}
