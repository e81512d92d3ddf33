/** What a user can do with a chat, as the interface calls it. */

import { effect, signal } from '@preact/signals';
import type { Chat } from './chat.ts';
import { type Notice, PAGE } from './chat.ts';
import { newId } from './ids.ts';
import { type Message, plainText } from './messages.ts';
import { RequestFailed } from './socket/socket.ts';
import type { Attachment, Outgoing } from './store/outbox.ts';
import { readSession, type Session } from './store/sessions.ts';
import { count, type Fields, isFields, list, text } from './wire.ts';

export interface Branch {
  readonly leafId: string;
  readonly headline: string;
  readonly messageCount: number;
  readonly active: boolean;
}

export interface Hit {
  readonly sessionKey: string;
  readonly messageId: string;
  readonly snippet: string;
}

export interface Actions {
  send(words: string, attachments: readonly Attachment[]): void;
  /** Sends other words in the place of a message and of everything after it. */
  resend(message: Message, words: string): void;
  /** Asks again for the answer to the same words. */
  regenerate(runId: string | undefined): void;
  /** Goes on in a conversation of its own, with a copy of everything up to this answer. */
  fork(message: Message): void;
  stop(): void;
  retry(entry: Outgoing): void;
  discard(entry: Outgoing): void;
  loadOlder(): Promise<void>;
  /** Loads pages until the message is there; false if it is not to be found. */
  reach(messageId: string): Promise<boolean>;
  /** Shows all of a message that was cut short; false if it cannot be had now. */
  wholeMessage(message: Message): Promise<boolean>;
  chooseModel(ref: string): void;
  rename(key: string, label: string): void;
  remove(key: string): Promise<void>;
  moreSessions(): void;
  branches(): Promise<readonly Branch[]>;
  switchBranch(leafId: string): void;
  findSessions(query: string): Promise<readonly Session[]>;
  findMessages(query: string): Promise<readonly Hit[]>;
}

export function createActions(chat: Chat): Actions {
  const { connection, outbox, delivery, sessions } = chat;
  const request = (method: string, params: object) => connection.request(method, params);
  /** What does not come about is said, and taken back where it was shown as done. */
  const orTell = (work: Promise<unknown>, takeBack?: () => void): Promise<boolean> =>
    work.then(
      () => true,
      (error: unknown) => {
        chat.notice.value = noticeOf(error);
        takeBack?.();
        return false;
      },
    );
  const isConnected = () => connection.state.value.kind === 'connected';
  let loadingOlder: Promise<void> | undefined;

  const post = (change: Partial<Outgoing> & { text: string }) => {
    outbox.add({
      runId: newId(),
      sessionKey: chat.current.value.key,
      attachments: [],
      createdAt: Date.now(),
      model: undefined,
      rewindTo: undefined,
      keepAttachments: false,
      keepText: false,
      after: undefined,
      rewound: false,
      failed: undefined,
      failedCode: undefined,
      ...change,
    });
    chat.shelf.write('open', chat.current.value.key);
    delivery.run();
  };

  const loadOlder = async () => {
    const transcript = chat.current.value;
    const offset = transcript.nextOffset.value;
    if (offset === undefined) return;
    try {
      const params = { sessionKey: transcript.key, limit: PAGE, offset };
      transcript.prepend(await request('chat.history', params));
    } catch {
      // Scrolling up again, or the next connection, tries again.
    }
  };

  const known = (key: string) => sessions.sessions.value.find((each) => each.key === key);
  const question = (runId: string | undefined) =>
    chat.current.value.messages.value.find((each) => each.role === 'user' && each.runId === runId);

  const inPlaceOf = (message: Message) => {
    const { messages, nextOffset } = chat.current.value;
    const at = messages.value.indexOf(message);
    const before = at > 0 ? messages.value[at - 1]?.id : undefined;
    const isFirst = at === 0 && nextOffset.value === undefined;
    // Pictures come with the answer to the rewind only.
    const tellsMuch = message.parts.some((part) => part.type === 'image');
    const after = tellsMuch ? undefined : isFirst ? '' : before || undefined;
    return { rewindTo: message.id, keepAttachments: true, after };
  };

  // What is to be stopped while nobody can be told is stopped by the next connection.
  const stopping = signal<{ sessionKey: string; runId: string } | undefined>(undefined);
  effect(() => {
    const wanted = stopping.value;
    if (!wanted || !isConnected()) return;
    stopping.value = undefined;
    void orTell(request('chat.abort', wanted));
  });

  return {
    send(words, attachments) {
      const begins = chat.current.value.messages.value.length === 0;
      post({ text: words, attachments, model: begins ? chat.chosenModel.value : undefined });
    },
    resend(message, words) {
      post({ text: words, ...inPlaceOf(message) });
    },
    regenerate(runId) {
      void (async () => {
        // Of the oldest answer that is loaded, the question may not be.
        const asked = question(runId) ?? (await loadOlder(), question(runId));
        if (asked?.id) post({ text: plainText(asked), keepText: true, ...inPlaceOf(asked) });
        else chat.notice.value = isConnected() ? 'failed' : 'needs_connection';
      })();
    },
    fork(message) {
      const { key } = chat.current.value;
      const params = { sessionKey: key, entryId: message.id };
      const show = (reply: Fields) => {
        const made = text(reply['sessionKey']);
        if (made !== undefined && chat.current.value.key === key) chat.open(made);
      };
      void orTell(request('sessions.fork', params).then(show));
    },
    stop() {
      const transcript = chat.current.value;
      const [running] = transcript.lives.value;
      if (!running) return;
      stopping.value = { sessionKey: transcript.key, runId: running.runId };
      if (!isConnected()) chat.notice.value = 'stops_later';
    },
    retry(entry) {
      outbox.update(entry.runId, { failed: undefined, failedCode: undefined });
      delivery.run();
    },
    discard(entry) {
      outbox.remove(entry.runId);
      delivery.run();
    },
    loadOlder() {
      loadingOlder ??= loadOlder().finally(() => {
        loadingOlder = undefined;
      });
      return loadingOlder;
    },
    async reach(messageId) {
      const transcript = chat.current.value;
      for (;;) {
        if (transcript.messages.value.some((each) => each.id === messageId)) return true;
        const before = transcript.nextOffset.value;
        if (before === undefined) return false;
        await loadOlder();
        if (transcript.nextOffset.value === before) return false;
      }
    },
    wholeMessage(message) {
      const transcript = chat.current.value;
      const params = { sessionKey: transcript.key, messageId: message.id, maxChars: 2_000_000 };
      const show = (reply: Fields) => transcript.mergeRow(reply['message']);
      return orTell(request('chat.message.get', params).then(show));
    },
    chooseModel(ref) {
      const { key, messages } = chat.current.value;
      chat.chosenModel.value = ref;
      if (messages.value.length === 0) return;
      const before = known(key)?.model;
      sessions.patch(key, { model: ref });
      void orTell(request('sessions.patch', { key, model: ref }), () => {
        chat.chosenModel.value = undefined;
        sessions.patch(key, { model: before });
      });
    },
    rename(key, label) {
      const name = label.trim();
      const before = known(key);
      if (!before || name === before.title) return;
      sessions.patch(key, { label: name || undefined, ...(name && { title: name }) });
      void orTell(request('sessions.patch', { key, label: name || null }), () => {
        sessions.patch(key, { label: before.label, title: before.title });
      });
    },
    async remove(key) {
      if (!(await orTell(request('sessions.delete', { key })))) return;
      // What still waits to be sent would begin it anew.
      for (const entry of outbox.entries.value) {
        if (entry.sessionKey === key) outbox.remove(entry.runId);
      }
      chat.shelf.remove(`draft:${key}`);
      sessions.remove(key);
      if (chat.current.value.key === key) chat.openNew();
    },
    moreSessions() {
      const offset = sessions.sessions.value.length;
      void orTell(request('sessions.list', { limit: 100, offset }).then(sessions.append));
    },
    async branches() {
      const reply = await request('sessions.branches.list', { sessionKey: chat.current.value.key });
      return list(reply['branches']).flatMap(readBranch);
    },
    switchBranch(leafEntryId) {
      // The event `sessions.changed` that follows loads what is shown now.
      const { key } = chat.current.value;
      void orTell(request('sessions.branches.switch', { sessionKey: key, leafEntryId }));
    },
    async findSessions(query) {
      const reply = await request('sessions.list', { search: query, limit: 20 });
      return list(reply['sessions']).flatMap((row) => readSession(row) ?? []);
    },
    async findMessages(query) {
      const reply = await request('sessions.search', { query, limit: 20 });
      return list(reply['results']).flatMap(readHit);
    },
  };
}

function noticeOf(error: unknown): Notice {
  if (!(error instanceof RequestFailed)) return 'needs_connection';
  const { detail } = error.error;
  if (detail === 'SOCKET_CLOSED') return 'needs_connection';
  return detail === 'SESSION_BUSY' ? 'busy' : 'failed';
}

function readBranch(value: unknown): Branch[] {
  if (!isFields(value)) return [];
  const leafId = text(value['leafEntryId']);
  if (leafId === undefined) return [];
  return [
    {
      leafId,
      headline: text(value['headline']) ?? '',
      messageCount: count(value['messageCount']) ?? 0,
      active: value['active'] === true,
    },
  ];
}

function readHit(value: unknown): Hit[] {
  if (!isFields(value)) return [];
  const sessionKey = text(value['sessionKey']);
  const messageId = text(value['messageId']);
  if (sessionKey === undefined || messageId === undefined) return [];
  return [{ sessionKey, messageId, snippet: text(value['snippet']) ?? '' }];
}
