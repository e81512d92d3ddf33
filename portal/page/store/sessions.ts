/** The list of conversations. */

import { type ReadonlySignal, signal } from '@preact/signals';
import type { Shelf } from '../storage.ts';
import { count, type Fields, isFields, list, text } from '../wire.ts';

export interface Session {
  readonly key: string;
  readonly sessionId: string | undefined;
  readonly title: string | undefined;
  /** Given by the user, not taken from the first words. */
  readonly label: string | undefined;
  readonly updatedAt: number;
  /** `provider/model` that answers next. */
  readonly model: string | undefined;
  readonly running: boolean;
  readonly unread: boolean;
}

export interface SessionList {
  /** Newest first. */
  readonly sessions: ReadonlySignal<readonly Session[]>;
  readonly hasMore: ReadonlySignal<boolean>;
  load(reply: Fields): void;
  append(reply: Fields): void;
  changed(payload: Fields): void;
  patch(key: string, change: Partial<Session>): void;
  remove(key: string): void;
}

export function openSessionList(shelf: Shelf): SessionList {
  const sessions = signal<readonly Session[]>(
    list(shelf.read('sessions')).flatMap((row) => readSession(row) ?? []),
  );
  const hasMore = signal(false);
  const put = (next: readonly Session[]) => {
    sessions.value = next.toSorted((a, b) => b.updatedAt - a.updatedAt);
    shelf.write(
      'sessions',
      sessions.value.slice(0, 50).map((each) => ({
        key: each.key,
        label: each.label,
        derivedTitle: each.title,
        updatedAt: each.updatedAt,
      })),
    );
  };
  const upsert = (session: Session) => {
    put([...sessions.value.filter((each) => each.key !== session.key), session]);
  };
  return {
    sessions,
    hasMore,
    load(reply) {
      put(list(reply['sessions']).flatMap((row) => readSession(row) ?? []));
      hasMore.value = reply['hasMore'] === true;
    },
    append(reply) {
      const more = list(reply['sessions']).flatMap((row) => readSession(row) ?? []);
      const known = new Set(sessions.value.map((each) => each.key));
      put([...sessions.value, ...more.filter((each) => !known.has(each.key))]);
      hasMore.value = reply['hasMore'] === true;
    },
    changed(payload) {
      const key = text(payload['sessionKey']) ?? '';
      const session = readSession(payload['session']);
      if (session) upsert(session);
      else put(sessions.value.filter((each) => each.key !== key));
    },
    patch(key, change) {
      const known = sessions.value.find((each) => each.key === key);
      if (known) upsert({ ...known, ...change });
    },
    remove(key) {
      put(sessions.value.filter((each) => each.key !== key));
    },
  };
}

export function readSession(value: unknown): Session | undefined {
  if (!isFields(value)) return undefined;
  const key = text(value['key']);
  if (key === undefined || value['archived'] === true) return undefined;
  const provider = text(value['modelProvider']);
  const model = text(value['model']);
  const label = text(value['label']);
  return {
    key,
    sessionId: text(value['sessionId']),
    title: label ?? text(value['derivedTitle']),
    label,
    updatedAt: count(value['updatedAt']) ?? 0,
    model: model === undefined ? undefined : provider ? `${provider}/${model}` : model,
    running: value['hasActiveRun'] === true,
    unread: value['unread'] === true,
  };
}
