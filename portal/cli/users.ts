/** `oc-portal users …` */

import { digest, newToken } from '../secret.ts';
import { changePassword, disableUser, removeUser } from '../store/access.ts';
import type { Store } from '../store/store.ts';
import { isUserId, type UserRow } from '../store/users.ts';
import type { Io } from './io.ts';
import { askPasswordHash } from './password.ts';
import { CommandError, type StoreFlags, table, textProblem, withStore } from './with-store.ts';

interface UserFlags extends StoreFlags {
  readonly name?: string;
  readonly 'password-stdin'?: boolean;
  readonly 'no-password'?: boolean;
}

interface ListFlags extends StoreFlags {
  readonly json?: boolean;
}

const LONGEST_NAME = 128;
/** `tokens.ticketSeconds` of a configuration that could not be read whole. */
const TICKET_SECONDS = 900;

export function addUser(io: Io, flags: UserFlags, id: string): Promise<number> {
  return withStore(
    io,
    flags,
    async (store, { now }) => {
      const name = flags.name ?? id;
      const problem = userIdProblem(id) ?? textProblem('the name', name, LONGEST_NAME);
      if (problem !== undefined) throw new CommandError(problem);
      if (flags['no-password'] && flags['password-stdin']) {
        throw new CommandError(
          '--password-stdin and --no-password contradict each other; drop one',
        );
      }
      refuseTaken(store, id);
      const passwordHash = flags['no-password']
        ? undefined
        : await askPasswordHash(io, flags['password-stdin'] ?? false);
      store.transaction(() => {
        // Typing a password takes a while; somebody may have been faster.
        refuseTaken(store, id);
        store.users.add({ id, name, now, ...(passwordHash !== undefined && { passwordHash }) });
      });
      io.stdout.write(`added ${id}\n`);
    },
    { create: true },
  );
}

export function listUsers(io: Io, flags: ListFlags): Promise<number> {
  return withStore(io, flags, (store) => {
    const users = store.users.list();
    io.stdout.write(
      flags.json
        ? `${JSON.stringify(users)}\n`
        : table(users.map(({ id, name, enabled }) => [id, enabled ? 'enabled' : 'disabled', name])),
    );
  });
}

export function newPassword(io: Io, flags: UserFlags, id: string): Promise<number> {
  return withStore(io, flags, async (store) => {
    const user = existing(store, id);
    const hash = await askPasswordHash(io, flags['password-stdin'] ?? false);
    changePassword(store, user.id, hash, Date.now());
    io.stdout.write(`${user.id} has a new password; all logins ended\n`);
  });
}

export function ticket(io: Io, flags: StoreFlags, id: string): Promise<number> {
  return withStore(io, flags, (store, { now, tokens }) => {
    const user = existing(store, id);
    if (!user.enabled) throw new CommandError(`"${user.id}" is disabled; enable the user first`);
    const made = newToken();
    const seconds = tokens?.ticketSeconds ?? TICKET_SECONDS;
    store.logins.addTicket(digest(made), user.id, now + seconds * 1000);
    io.stdout.write(`${made}\n`);
  });
}

export function changeUser(
  io: Io,
  flags: StoreFlags,
  id: string,
  verb: 'disable' | 'enable' | 'remove',
): Promise<number> {
  return withStore(io, flags, (store, { now }) => {
    const user = existing(store, id);
    switch (verb) {
      case 'enable':
        store.users.setEnabled(user.id, true);
        break;
      case 'disable':
        disableUser(store, user.id, now);
        break;
      case 'remove':
        removeUser(store, user.id, now);
        break;
    }
    io.stdout.write(`${verb}d ${user.id}\n`);
  });
}

function existing(store: Store, id: string): UserRow {
  const user = store.users.find(id);
  if (!user)
    throw new CommandError(`there is no user ${JSON.stringify(id)}; see: oc-portal users list`);
  return user;
}

function refuseTaken(store: Store, id: string): void {
  if (store.users.find(id)) throw new CommandError(`there is a user "${id}" already`);
  if (store.users.isTaken(id)) {
    throw new CommandError(
      `"${id}" was a user before, and an id is given out once, as conversations are kept under it; choose another`,
    );
  }
}

function userIdProblem(id: string): string | undefined {
  if (isUserId(id)) return undefined;
  return `a user id is 1 to 128 of A-Z a-z 0-9 . _ @ + - and begins and ends with a letter or digit; ${JSON.stringify(id)} is not`;
}
