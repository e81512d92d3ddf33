/**
 * Messages that the gateway has not acknowledged yet. Each is kept on this device from the moment it
 * is sent, and its id is the turn's idempotency key: however often it goes out, it counts once.
 */

import { type ReadonlySignal, signal } from '@preact/signals';
import { countOnShelves, type Shelf } from '../storage.ts';
import { count, isFields, list, text } from '../wire.ts';

export interface Attachment {
  readonly name: string;
  readonly mimeType: string;
  readonly base64: string;
}

export interface Outgoing {
  readonly runId: string;
  readonly sessionKey: string;
  readonly text: string;
  readonly attachments: readonly Attachment[];
  readonly createdAt: number;
  /** Model of a conversation that this message begins. */
  readonly model: string | undefined;
  /** The message that this one takes the place of. */
  readonly rewindTo: string | undefined;
  /** Whether the attachments of that message go along. */
  readonly keepAttachments: boolean;
  /** Whether that message's words go along as the gateway has them: here they may be cut short. */
  readonly keepText: boolean;
  /**
   * What stands before that message, empty at the beginning: if the conversation ends there already,
   * it has moved back and only the answer was lost. Absent where that is not known.
   */
  readonly after: string | undefined;
  /** The gateway has moved back already. */
  readonly rewound: boolean;
  /** Why the gateway will not take it, in its words and as its code. */
  readonly failed: string | undefined;
  readonly failedCode: string | undefined;
}

export interface Outbox {
  readonly entries: ReadonlySignal<readonly Outgoing[]>;
  add(entry: Outgoing): void;
  update(runId: string, change: Partial<Outgoing>): void;
  remove(runId: string): void;
  /** The entry as another tab may have left it; nothing if that one has brought it to the gateway. */
  refreshed(runId: string): Outgoing | undefined;
  /** Stops listening to other tabs. */
  end(): void;
}

const PREFIX = 'out:';

/** Messages of a user that wait on this device, to whichever instance. */
export function countUnsent(userId: string): number {
  return countOnShelves(userId, PREFIX);
}

export function openOutbox(shelf: Shelf): Outbox {
  const kept = shelf
    .names(PREFIX)
    .flatMap((name) => readEntry(shelf.read(name)) ?? [])
    .toSorted((a, b) => a.createdAt - b.createdAt);
  const entries = signal<readonly Outgoing[]>(kept);
  const keep = (entry: Outgoing) => {
    // Pictures may be more than the device keeps; then the words are kept at least.
    if (!shelf.write(`${PREFIX}${entry.runId}`, entry)) {
      shelf.write(`${PREFIX}${entry.runId}`, { ...entry, attachments: [] });
    }
  };
  const forget = (runId: string) => {
    entries.value = entries.value.filter((each) => each.runId !== runId);
  };
  const stopListening = shelf.onRemoved((name) => {
    if (name.startsWith(PREFIX)) forget(name.slice(PREFIX.length));
  });
  return {
    entries,
    add(entry) {
      // Two messages within one millisecond still have an order.
      const last = entries.value.at(-1)?.createdAt ?? 0;
      const placed = { ...entry, createdAt: Math.max(entry.createdAt, last + 1) };
      keep(placed);
      entries.value = [...entries.value, placed];
    },
    update(runId, change) {
      entries.value = entries.value.map((each) => {
        if (each.runId !== runId) return each;
        const changed = { ...each, ...change };
        keep(changed);
        return changed;
      });
    },
    remove(runId) {
      shelf.remove(`${PREFIX}${runId}`);
      forget(runId);
    },
    refreshed(runId) {
      const stored = readEntry(shelf.read(`${PREFIX}${runId}`));
      const known = entries.value.find((each) => each.runId === runId);
      if (!stored || !known) {
        forget(runId);
        return undefined;
      }
      // Pictures may be more than the device kept.
      const attachments = known.attachments.length > 0 ? known.attachments : stored.attachments;
      return { ...known, rewound: stored.rewound, attachments };
    },
    end: stopListening,
  };
}

function readEntry(value: unknown): Outgoing | undefined {
  if (!isFields(value)) return undefined;
  const runId = text(value['runId']);
  const sessionKey = text(value['sessionKey']);
  if (runId === undefined || sessionKey === undefined) return undefined;
  return {
    runId,
    sessionKey,
    text: text(value['text']) ?? '',
    attachments: list(value['attachments'])
      .filter(isFields)
      .map((each) => ({
        name: text(each['name']) ?? '',
        mimeType: text(each['mimeType']) ?? '',
        base64: text(each['base64']) ?? '',
      })),
    createdAt: count(value['createdAt']) ?? 0,
    model: text(value['model']),
    rewindTo: text(value['rewindTo']),
    keepAttachments: value['keepAttachments'] === true,
    keepText: value['keepText'] === true,
    after: text(value['after']),
    rewound: value['rewound'] === true,
    failed: text(value['failed']),
    failedCode: text(value['failedCode']),
  };
}
