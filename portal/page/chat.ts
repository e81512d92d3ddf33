/** One instance's chat: the connection and the stores, and how events of one change the other. */

import { batch, effect, type ReadonlySignal, type Signal, signal } from '@preact/signals';
import type { Portal } from './api.ts';
import { type Connection, createConnection, type StopReason } from './connection.ts';
import { isFirstVisit, lastOpened } from './first-paint.ts';
import { newId } from './ids.ts';
import { plainText, readMessage } from './messages.ts';
import { RequestFailed } from './socket/socket.ts';
import { openShelf, type Shelf } from './storage.ts';
import { keepConversation, keptConversation } from './store/cache.ts';
import { createDelivery, type Delivery } from './store/delivery.ts';
import { findModel, type Model, readModels } from './store/models.ts';
import { type Attachment, type Outbox, type Outgoing, openOutbox } from './store/outbox.ts';
import { createPictures, type Pictures, pictureId } from './store/pictures.ts';
import { openSessionList, type SessionList } from './store/sessions.ts';
import { createTranscript, type Transcript } from './store/transcript.ts';
import { type Fields, fields, text } from './wire.ts';

export interface ChatOptions {
  readonly portal: Portal;
  readonly instanceId: string;
  readonly userId: string;
  /** From the address: only shown until the portal says what the instance is called. */
  readonly shownName: string | undefined;
  /** From the address: preselected if it is offered. */
  readonly wantedModel: string | undefined;
}

export interface Chat {
  readonly instance: ReadonlySignal<ShownInstance>;
  readonly connection: Connection;
  readonly sessions: SessionList;
  readonly outbox: Outbox;
  readonly delivery: Delivery;
  readonly pictures: Pictures;
  /** Images that wait in the composer, by conversation. */
  readonly attached: Map<string, readonly Attachment[]>;
  readonly models: ReadonlySignal<readonly Model[]>;
  /** Of conversations that do not exist yet: the model that they shall begin with. */
  readonly chosenModel: Signal<string | undefined>;
  readonly current: ReadonlySignal<Transcript>;
  /** Nothing was kept on this device: most likely a first visit. */
  readonly isFirstVisit: boolean;
  /** What a screen reader is told. */
  readonly announcement: Signal<string>;
  /** Why something that the user wanted was not done; shown for a moment. */
  readonly notice: Signal<Notice | undefined>;
  readonly shelf: Shelf;
  open(key: string): void;
  openNew(): void;
  reload(key: string): Promise<void>;
  start(): void;
  end(): void;
}

export interface ShownInstance {
  readonly name: string;
  readonly starters: readonly string[];
  /** Whether the portal has said that this user may use it. Before, the name is what the address says. */
  readonly granted: boolean;
}

export type Notice = 'needs_connection' | 'stops_later' | 'busy' | 'failed';

/** What the portal says of an instance that this user may not use, or that is none. */
const DENIALS: ReadonlySet<StopReason> = new Set([
  'no_permission',
  'instance_disabled',
  'user_disabled',
  'unknown_instance',
]);
/** Messages of a page of history. */
export const PAGE = 50;
/** A page that was refused is asked for again after this time. */
const RELOAD_MS = 3_000;

export function createChat(options: ChatOptions): Chat {
  const { instanceId } = options;
  const shelf = openShelf(options.userId, instanceId);
  const instance = signal<ShownInstance>({
    name: options.shownName ?? instanceId,
    starters: [],
    granted: false,
  });
  const sessions = openSessionList(shelf);
  const outbox = openOutbox(shelf);
  const pictures = createPictures((method, params) => connection.request(method, params));
  const attached = new Map<string, readonly Attachment[]>();
  const models = signal<readonly Model[]>([]);
  const chosenModel = signal<string | undefined>(undefined);
  const announcement = signal('');
  const notice = signal<Notice | undefined>(undefined);
  const transcripts = new Map<string, Transcript>();

  const transcriptOf = (key: string): Transcript => {
    const known = transcripts.get(key);
    if (known) return known;
    const made = createTranscript(key);
    transcripts.set(key, made);
    return made;
  };

  const firstVisit = isFirstVisit(shelf);
  const remembered = lastOpened(shelf);
  const current = signal(transcriptOf(remembered ?? newKey()));
  if (remembered !== undefined) {
    const kept = keptConversation(shelf, remembered);
    if (kept.length > 0) current.value.showCached(kept);
  }

  const isConnected = () => connection.state.value.kind === 'connected';

  const reload = async (key: string) => {
    try {
      const page = await connection.request('chat.history', { sessionKey: key, limit: PAGE });
      const transcript = transcriptOf(key);
      batch(() => {
        transcript.load(page);
        dropRefused(outbox, transcript);
      });
    } catch (error) {
      // After a cut, the next connection loads it again.
      if (!(error instanceof RequestFailed) || error.error.detail === 'SOCKET_CLOSED') return;
      setTimeout(() => {
        if (key === current.value.key && isConnected()) void reload(key);
      }, error.error.retryAfterMs ?? RELOAD_MS);
    }
  };

  /** Follows a conversation: its messages from now on, then what is there already. */
  const follow = (key: string) => {
    void connection.request('sessions.messages.subscribe', { key }).catch(() => undefined);
    void reload(key);
  };

  const open = (key: string) => {
    if (key === current.value.key) return;
    const left = current.value.key;
    batch(() => {
      current.value = transcriptOf(key);
      chosenModel.value = undefined;
    });
    shelf.write('open', key);
    if (!isConnected()) return;
    void connection.request('sessions.messages.unsubscribe', { key: left }).catch(() => undefined);
    follow(key);
    markRead(key);
  };

  const markRead = (key: string) => {
    if (!sessions.sessions.value.some((each) => each.key === key && each.unread)) return;
    sessions.patch(key, { unread: false });
    void connection.request('sessions.patch', { key, unread: false }).catch(() => undefined);
  };

  const delivery = createDelivery(outbox, {
    request: (method, params) => connection.request(method, params),
    accepted(entry, seq) {
      const transcript = transcriptOf(entry.sessionKey);
      transcript.merge(sentMessage(entry, seq));
      transcript.expect(entry.runId);
      if (transcript === current.value) shelf.write('open', entry.sessionKey);
    },
    knownAlready: (entry) => void reload(entry.sessionKey),
    refused({ sessionKey, runId }) {
      const transcript = transcripts.get(sessionKey);
      if (transcript && hasRow(transcript, runId)) void reload(sessionKey);
    },
    rewound: (entry) => transcriptOf(entry.sessionKey).cutBefore(entry.rewindTo ?? ''),
  });

  const onHello = async (mainKey: string) => {
    const untouched =
      remembered === undefined &&
      current.value.loaded.value === 'no' &&
      outbox.entries.value.length === 0 &&
      !attached.get(current.value.key)?.length &&
      shelf.read(`draft:${current.value.key}`) === undefined;
    if (untouched) current.value = transcriptOf(mainKey);
    follow(current.value.key);
    delivery.run();
    try {
      await Promise.all([
        // As soon as it is there: events that follow it build on it.
        connection.request('sessions.subscribe', { limit: 100 }).then(({ list }) => {
          sessions.load(fields(list));
        }),
        connection.request('models.list', {}).then(offerModels),
      ]);
    } catch {
      // The socket closed; the next hello asks again.
    }
  };

  const offerModels = (reply: Fields) => {
    batch(() => {
      models.value = readModels(reply);
      const wanted = options.wantedModel && findModel(models.value, options.wantedModel);
      if (wanted && current.value.messages.value.length === 0) chosenModel.value = wanted.ref;
    });
  };

  const onEvent = (name: string, payload: Fields) => {
    switch (name) {
      case 'chat':
      case 'agent': {
        const key =
          text(payload['sessionKey']) ?? text(fields(payload['data'])['sessionKey']) ?? '';
        const transcript = transcripts.get(key);
        const ended = transcript?.event(name, payload);
        if (ended && transcript === current.value) {
          announcement.value = plainText(ended);
          markRead(key);
        }
        return;
      }
      case 'session.message': {
        const message = readMessage(payload['message']);
        const runId = text(payload['runId']);
        const transcript = transcripts.get(text(payload['sessionKey']) ?? '');
        if (!message || !transcript) return;
        batch(() => {
          transcript.merge({ ...message, runId: message.runId ?? runId });
          // Unlike a page of history this leaves when the message is on the disk, as the acknowledgement does.
          if (message.role === 'user' && runId !== undefined) outbox.remove(runId);
        });
        return;
      }
      case 'sessions.changed':
        onSessionChanged(payload);
        return;
    }
  };

  const onSessionChanged = (payload: Fields) => {
    sessions.changed(payload);
    const key = text(payload['sessionKey']) ?? '';
    const reason = text(payload['reason']);
    // The row of a run's end may still count that run; the next one tells of its start.
    if (reason === 'run-end') sessions.patch(key, { running: false });
    if (key === current.value.key) markRead(key);
    if (reason === 'delete') {
      const transcript = transcripts.get(key);
      // What stood in it would begin it anew.
      if (transcript) dropStanding(outbox, transcript);
      transcripts.delete(key);
      if (key === current.value.key) openNew();
    } else if (reason === 'reset' || reason === 'rewind' || reason === 'switch') {
      if (key === current.value.key) void reload(key);
      else transcripts.delete(key);
    }
  };

  const connection = createConnection(options.portal, instanceId, {
    instance({ name, starters }) {
      instance.value = { name, starters, granted: true };
    },
    hello: (hello) => void onHello(hello.mainSessionKey),
    event: onEvent,
    lost() {
      for (const transcript of transcripts.values()) transcript.disconnected();
    },
  });

  const openNew = () => {
    const key = newKey();
    transcriptOf(key).begin();
    open(key);
  };
  // What was sent from here is never fetched.
  const stopKeepingPictures = effect(() => {
    for (const { runId, attachments } of outbox.entries.value) {
      attachments.forEach(({ mimeType, base64 }, at) => {
        const id = pictureId(runId, at);
        if (pictures.known(id) === undefined) pictures.keep(id, mimeType, base64);
      });
    }
  });
  const stopDenying = effect(() => {
    const state = connection.state.value;
    if (state.kind !== 'stopped' || !DENIALS.has(state.reason)) return;
    instance.value = { ...instance.peek(), granted: false };
  });
  const stopKeeping = effect(() => {
    const { key, messages, loaded } = current.value;
    if (loaded.value === 'yes') keepConversation(shelf, key, messages.value);
  });

  return {
    instance,
    connection,
    sessions,
    outbox,
    delivery,
    pictures,
    attached,
    models,
    chosenModel,
    current,
    isFirstVisit: firstVisit,
    announcement,
    notice,
    shelf,
    open,
    openNew,
    reload,
    start: () => connection.start(),
    end() {
      stopKeeping();
      stopKeepingPictures();
      stopDenying();
      outbox.end();
      connection.end();
    },
  };
}

/**
 * A row of the gateway is no acknowledgement: it is shown before it is on the disk, and a power failure may still take
 * it. So what waits is sent again until that is answered. What was refused is not sent again by itself, and may
 * have been taken the time before: then it stands in the conversation, and was not left unsent.
 */
function dropRefused(outbox: Outbox, transcript: Transcript): void {
  dropStanding(outbox, transcript, ({ failed }) => failed !== undefined);
}

/** Of what is kept, that which stands in the conversation. */
function dropStanding(
  outbox: Outbox,
  transcript: Transcript,
  isMeant: (entry: Outgoing) => boolean = () => true,
): void {
  for (const entry of outbox.entries.value) {
    if (entry.sessionKey !== transcript.key || !isMeant(entry)) continue;
    if (hasRow(transcript, entry.runId)) outbox.remove(entry.runId);
  }
}

function hasRow({ messages }: Transcript, runId: string): boolean {
  return messages.value.some(
    (each) => each.id !== '' && each.role === 'user' && each.runId === runId,
  );
}

/** A conversation of one's own: the key belongs to the instance's agent. */
function newKey(): string {
  return `chat-${newId()}`;
}

/** What was sent, until the gateway's own row of it arrives. */
function sentMessage(entry: Outgoing, seq: number) {
  return {
    id: '',
    seq,
    role: 'user',
    runId: entry.runId,
    parts: [
      ...(entry.text === '' ? [] : [{ type: 'text', text: entry.text } as const]),
      ...entry.attachments.map(
        (each) =>
          ({
            type: 'image',
            name: each.name,
            bytes: Math.floor((each.base64.length * 3) / 4),
            artifactId: undefined,
          }) as const,
      ),
    ],
    timestamp: entry.createdAt,
    state: 'complete',
    error: undefined,
    errorKind: undefined,
    truncated: false,
    outputTokens: undefined,
    timing: undefined,
  } as const;
}
