/** The end of the last conversation, kept on the device so that the first paint has something to read. */

import { type Message, type Part, plainText, readMessage } from '../messages.ts';
import type { Shelf } from '../storage.ts';
import { fields, list, text } from '../wire.ts';

const MOST_MESSAGES = 30;
const MOST_CHARS = 200_000;

/** Keeps the newest messages that fit: their texts, and where images stand. */
export function keepConversation(shelf: Shelf, key: string, messages: readonly Message[]): void {
  let chars = 0;
  const rows: object[] = [];
  for (const message of messages.slice(-MOST_MESSAGES).toReversed()) {
    chars += plainText(message).length;
    if (chars > MOST_CHARS) break;
    rows.unshift(toRow(message));
  }
  shelf.write('last', { key, rows });
}

export function keptConversation(shelf: Shelf, key: string): Message[] {
  const kept = fields(shelf.read('last'));
  if (text(kept['key']) !== key) return [];
  return list(kept['rows']).flatMap((row) => readMessage(row) ?? []);
}

/** In the form of the gateway's rows, so that one reader serves both. */
function toRow(message: Message): object {
  return {
    role: message.role,
    content: message.parts.flatMap(toBlock),
    timestamp: message.timestamp,
    errorMessage: message.error,
    errorDetail: { failoverReason: message.errorKind },
    __openclaw: {
      id: message.id,
      seq: message.seq,
      runId: message.runId,
      state: message.state,
    },
  };
}

function toBlock(part: Part): object[] {
  if (part.type === 'text') return [part];
  if (part.type !== 'image') return [];
  const { type, name, bytes, artifactId } = part;
  return [{ type, fileName: name, bytes, artifactId }];
}
