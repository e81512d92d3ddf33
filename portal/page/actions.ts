/** What a user can do with a chat, as the interface calls it. */

import type { Chat } from './chat.ts';
import { PAGE } from './chat.ts';
import { newId } from './ids.ts';
import { type Message, plainText } from './messages.ts';
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
  stop(): void;
  retry(entry: Outgoing): void;
  discard(entry: Outgoing): void;
  loadOlder(): Promise<void>;
  /** Loads pages until the message is there; false if it is not to be found. */
  reach(messageId: string): Promise<boolean>;
  wholeMessage(message: Message): void;
  chooseModel(ref: string): void;
  rename(key: string, label: string): void;
  remove(key: string): void;
  moreSessions(): void;
  branches(): Promise<readonly Branch[]>;
  switchBranch(leafId: string): void;
  findSessions(query: string): Promise<readonly Session[]>;
  findMessages(query: string): Promise<readonly Hit[]>;
}

export function createActions(chat: Chat): Actions {
  const { connection, outbox, delivery, sessions } = chat;
  const request = (method: string, params: object) => connection.request(method, params);
  const quietly = (work: Promise<unknown>) => void work.catch(() => undefined);
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
      rewound: false,
      failed: undefined,
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

  return {
    send(words, attachments) {
      const begins = chat.current.value.messages.value.length === 0;
      post({ text: words, attachments, model: begins ? chat.chosenModel.value : undefined });
    },
    resend(message, words) {
      post({ text: words, rewindTo: message.id, keepAttachments: true });
    },
    regenerate(runId) {
      const asked = chat.current.value.messages.value.find(
        (each) => each.role === 'user' && each.runId === runId,
      );
      if (!asked?.id) return;
      post({ text: plainText(asked), rewindTo: asked.id, keepAttachments: true });
    },
    stop() {
      const transcript = chat.current.value;
      const [running] = transcript.lives.value;
      if (!running) return;
      quietly(request('chat.abort', { sessionKey: transcript.key, runId: running.runId }));
    },
    retry(entry) {
      outbox.update(entry.runId, { failed: undefined });
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
      quietly(request('chat.message.get', params).then(show));
    },
    chooseModel(ref) {
      const { key, messages } = chat.current.value;
      chat.chosenModel.value = ref;
      if (messages.value.length === 0) return;
      sessions.patch(key, { model: ref });
      quietly(request('sessions.patch', { key, model: ref }));
    },
    rename(key, label) {
      const name = label.trim();
      sessions.patch(key, { label: name || undefined, ...(name && { title: name }) });
      quietly(request('sessions.patch', { key, label: name || null }));
    },
    remove(key) {
      sessions.remove(key);
      if (chat.current.value.key === key) chat.openNew();
      quietly(request('sessions.delete', { key }));
    },
    moreSessions() {
      const offset = sessions.sessions.value.length;
      quietly(request('sessions.list', { limit: 100, offset }).then(sessions.append));
    },
    async branches() {
      const reply = await request('sessions.branches.list', { sessionKey: chat.current.value.key });
      return list(reply['branches']).flatMap(readBranch);
    },
    switchBranch(leafEntryId) {
      // The event `sessions.changed` that follows loads what is shown now.
      const { key } = chat.current.value;
      quietly(request('sessions.branches.switch', { sessionKey: key, leafEntryId }));
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
