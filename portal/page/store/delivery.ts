/** Brings the outbox to the gateway: one message at a time, in order, once. */

import { RequestFailed } from '../socket/socket.ts';
import { count, type Fields, fields, isFields, list, text } from '../wire.ts';
import type { Attachment, Outbox, Outgoing } from './outbox.ts';

export interface DeliveryHandlers {
  request(method: string, params: object): Promise<Fields>;
  /** The gateway has it; `seq` is its place in the conversation. */
  accepted(entry: Outgoing, seq: number): void;
  /** The gateway has had it before and its answer is long there. */
  knownAlready(entry: Outgoing): void;
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
        const outcome = await deliver(entry);
        if (outcome.next === 'message') continue;
        // Without a time, the next connection begins again.
        if (outcome.ms !== undefined) timer = setTimeout(() => void run(), outcome.ms);
        return;
      }
    } finally {
      running = false;
    }
  };

  const deliver = async (entry: Outgoing): Promise<Outcome> => {
    try {
      const attachments = await prepare(entry);
      const reply = await handlers.request('chat.send', {
        sessionKey: entry.sessionKey,
        message: entry.text,
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
      else handlers.accepted(entry, count(reply['messageSeq']) ?? 0);
      return { next: 'message' };
    } catch (error) {
      return failed(entry, error);
    }
  };

  /** What has to be so before the message is sent: the model chosen, the conversation moved back. */
  const prepare = async (entry: Outgoing): Promise<readonly Attachment[]> => {
    if (entry.model !== undefined) {
      await handlers.request('sessions.create', { key: entry.sessionKey, model: entry.model });
      outbox.update(entry.runId, { model: undefined });
    }
    if (entry.rewindTo === undefined || entry.rewound) return entry.attachments;
    const reply = await rewind(entry.sessionKey, entry.rewindTo);
    const attachments = entry.keepAttachments
      ? [...readEditorAttachments(reply), ...entry.attachments]
      : entry.attachments;
    outbox.update(entry.runId, { rewound: true, attachments });
    handlers.rewound(entry);
    return attachments;
  };

  const rewind = async (sessionKey: string, entryId: string): Promise<Fields> => {
    const params = { sessionKey, entryId };
    try {
      return await handlers.request('sessions.rewind', params);
    } catch (error) {
      if (!(error instanceof RequestFailed) || error.error.detail !== 'SESSION_BUSY') throw error;
      await handlers.request('chat.abort', { sessionKey });
      return handlers.request('sessions.rewind', params);
    }
  };

  const failed = (entry: Outgoing, error: unknown): Outcome => {
    // Not connected, or cut off before the answer: it waits for the next connection.
    if (!(error instanceof RequestFailed) || error.error.detail === 'SOCKET_CLOSED') {
      return { next: 'pause', ms: undefined };
    }
    if (error.error.retryable) return { next: 'pause', ms: error.error.retryAfterMs ?? 2_000 };
    outbox.update(entry.runId, { failed: error.error.message });
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
