/** One page of a conversation, bounded by messages and by bytes. */

import type { Principal } from '../../agents/principal.ts';
import type { MessageRecord, SessionRecord, SessionStore } from '../../agents/sessions/store.ts';
import { type MessageRowOptions, messageRow } from '../rows.ts';

/** Messages that are read at a time: what a byte budget leaves out is then hardly ever read. */
const SLICE = 50;

/** Stored bytes that are read for one page: a conversation of huge messages is read in more pages. */
const MAX_READ_BYTES = 8 * 1024 * 1024;

export interface PageQuery {
  /** Most messages; at least 1. */
  limit: number;
  /** Most bytes of the messages as JSON. The newest message of the page is there whatever its size. */
  maxBytes: number;
  /** Places to skip from the newest end. */
  offset: number;
  rows: MessageRowOptions;
}

export interface Page {
  session: SessionRecord;
  /** Rows for the wire, oldest first. */
  messages: readonly object[];
  /** Offset of the page before this one; absent if this one begins at the beginning. */
  nextOffset?: number;
  /** Messages of the conversation, answers to come left out. */
  totalMessages: number;
}

/** Nothing if the principal has no such session. Costs as much as the page is large. */
export function readPage(
  store: SessionStore,
  principal: Principal,
  key: string,
  query: PageQuery,
): Page | undefined {
  const rows: object[] = [];
  // The opening bracket; each row then counts with the comma or the bracket behind it.
  let bytes = 1;
  let { offset } = query;
  let maxBytes = MAX_READ_BYTES;
  for (;;) {
    const limit = Math.min(SLICE, query.limit - rows.length);
    const slice = store.history(principal, key, { limit, offset, maxBytes });
    if (!slice) return undefined;
    maxBytes -= slice.bytes;
    const { session, totalMessages, nextOffset } = slice;
    const page = (next: number | undefined): Page => ({
      session,
      messages: rows.toReversed(),
      totalMessages,
      ...(next !== undefined && { nextOffset: next }),
    });
    for (const message of slice.messages.toReversed()) {
      const row = messageRow(message, query.rows);
      bytes += Buffer.byteLength(JSON.stringify(row)) + 1;
      if (bytes > query.maxBytes && rows.length > 0) return page(placeOf(message));
      rows.push(row);
    }
    const isFull = rows.length >= query.limit || maxBytes <= 0 || slice.messages.length < limit;
    if (nextOffset === undefined || isFull) return page(nextOffset);
    offset = nextOffset;
  }

  // Asked of the store: answers to come have a place and are not shown, so places cannot be counted.
  function placeOf(message: MessageRecord): number | undefined {
    return store.offsetOf(principal, key, message.id);
  }
}
