/** The end of the last conversation, kept on the device so that the first paint has something to read. */

import { type Message, plainText, readMessage } from '../messages.ts';
import type { Shelf } from '../storage.ts';
import { fields, list, text } from '../wire.ts';

const MOST_MESSAGES = 30;
const MOST_CHARS = 200_000;

/** Keeps the newest messages that fit, texts only. */
export function keepConversation(shelf: Shelf, key: string, messages: readonly Message[]): void {
  let chars = 0;
  const rows: object[] = [];
  for (const message of messages.slice(-MOST_MESSAGES).toReversed()) {
    const words = plainText(message);
    chars += words.length;
    if (chars > MOST_CHARS) break;
    rows.unshift(toRow(message, words));
  }
  shelf.write('last', { key, rows });
}

export function keptConversation(shelf: Shelf, key: string): Message[] {
  const kept = fields(shelf.read('last'));
  if (text(kept['key']) !== key) return [];
  return list(kept['rows']).flatMap((row) => readMessage(row) ?? []);
}

/** In the form of the gateway's rows, so that one reader serves both. */
function toRow(message: Message, words: string): object {
  return {
    role: message.role,
    content: words,
    timestamp: message.timestamp,
    errorMessage: message.error,
    __openclaw: {
      id: message.id,
      seq: message.seq,
      runId: message.runId,
      state: message.state,
    },
  };
}
