/** Brings the outbox to the gateway: one message at a time, in order, once. */

import { exclusively } from '../locks.ts';
import { RequestFailed } from '../socket/socket.ts';
import { count, type Fields, fields, isFields, list, text } from '../wire.ts';
import type { Attachment, Outbox, Outgoing } from './outbox.ts';

export interface DeliveryHandlers {
  request(method: string, params: object): Promise<Fields>;
  /** The gateway has it; `seq` is its place in the conversation. */
  accepted(entry: Outgoing, seq: number): void;
  /** The gateway has had it before and its answer is long there. */
  knownAlready(entry: Outgoing): void;
  /** The gateway will not take it, as it is told this time. */
  refused(entry: Outgoing): void;
  /** The conversation moved back to before the message that the entry replaces. */
  rewound(entry: Outgoing): void;
}

export interface Delivery {
  /** Sends what waits, if the connection allows. */
  run(): void;
}

type Outcome =
  | { readonly next: 'message' }
  | { readonly next: 'pause'; readonly ms: number | undefined };

export function createDelivery(outbox: Outbox, handlers: DeliveryHandlers): Delivery {
  let running = false;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const run = async () => {
    if (running) return;
    running = true;
    clearTimeout(timer);
    try {
      for (;;) {
        const entry = outbox.entries.value.find((each) => each.failed === undefined);
        if (!entry) return;
        // Tabs of one user have the same outbox: one at a time looks what is still to be sent.
        const outcome = await exclusively('oc_chat_outbox', () => deliver(entry.runId));
        if (outcome.next === 'message') continue;
        // Without a time, the next connection begins again.
        if (outcome.ms !== undefined) timer = setTimeout(() => void run(), outcome.ms);
        return;
      }
    } finally {
      running = false;
    }
  };

  const deliver = async (runId: string): Promise<Outcome> => {
    const entry = outbox.refreshed(runId);
    if (!entry) return { next: 'message' };
    try {
      const { text: words, attachments } = await prepare(entry);
      const reply = await handlers.request('chat.send', {
        sessionKey: entry.sessionKey,
        message: words,
        idempotencyKey: entry.runId,
        ...(attachments.length > 0 && {
          attachments: attachments.map((each) => ({
            type: 'image',
            mimeType: each.mimeType,
            fileName: each.name,
            content: each.base64,
          })),
        }),
      });
      outbox.remove(entry.runId);
      if (reply['status'] === 'ok' || reply['status'] === 'error') handlers.knownAlready(entry);
      else
        handlers.accepted({ ...entry, text: words, attachments }, count(reply['messageSeq']) ?? 0);
      return { next: 'message' };
    } catch (error) {
      return failed(entry, error);
    }
  };

  /** What has to be so before the message is sent: the model chosen, the conversation moved back. */
  const prepare = async (entry: Outgoing): Promise<Pick<Outgoing, 'text' | 'attachments'>> => {
    if (entry.model !== undefined) {
      await handlers.request('sessions.create', { key: entry.sessionKey, model: entry.model });
      outbox.update(entry.runId, { model: undefined });
    }
    if (entry.rewindTo === undefined || entry.rewound) return entry;
    const reply = await rewind(entry, entry.rewindTo);
    const attachments = entry.keepAttachments
      ? [...readEditorAttachments(reply), ...entry.attachments]
      : entry.attachments;
    const words = (entry.keepText && text(reply['editorText'])) || entry.text;
    outbox.update(entry.runId, { rewound: true, text: words, attachments });
    handlers.rewound(entry);
    return { text: words, attachments };
  };

  const rewind = async (entry: Outgoing, entryId: string): Promise<Fields> => {
    const { sessionKey } = entry;
    const params = { sessionKey, entryId };
    try {
      return await handlers.request('sessions.rewind', params);
    } catch (error) {
      const detail = error instanceof RequestFailed ? error.error.detail : undefined;
      if (detail === 'STALE_LEAF' && (await endsBefore(entry))) return {};
      if (detail !== 'SESSION_BUSY') throw error;
      await handlers.request('chat.abort', { sessionKey });
      return handlers.request('sessions.rewind', params);
    }
  };

  /** Whether the conversation has moved back already, and the answer that said so was lost. */
  const endsBefore = async ({ sessionKey, after }: Outgoing): Promise<boolean> => {
    if (after === undefined) return false;
    const page = await handlers.request('chat.history', { sessionKey, limit: 1 });
    const last = list(page['messages']).findLast(isFields);
    return (text(fields(last?.['__openclaw'])['id']) ?? '') === after;
  };

  const failed = (entry: Outgoing, error: unknown): Outcome => {
    // Not connected, or cut off before the answer: it waits for the next connection.
    if (!(error instanceof RequestFailed) || error.error.detail === 'SOCKET_CLOSED') {
      return { next: 'pause', ms: undefined };
    }
    if (error.error.retryable) return { next: 'pause', ms: error.error.retryAfterMs ?? 2_000 };
    const { message, detail } = error.error;
    outbox.update(entry.runId, { failed: message, failedCode: detail });
    handlers.refused(entry);
    return { next: 'message' };
  };

  return { run: () => void run() };
}

function readEditorAttachments(reply: Fields): Attachment[] {
  return list(reply['editorAttachments'])
    .filter(isFields)
    .map((file, at) => ({
      name: text(fields(file)['fileName']) ?? `image-${at + 1}`,
      mimeType: text(file['mimeType']) ?? '',
      base64: text(file['data']) ?? '',
    }));
}
