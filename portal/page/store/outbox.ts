/**
 * Messages that the gateway has not acknowledged yet. Each is kept on this device from the moment it
 * is sent, and its id is the turn's idempotency key: however often it goes out, it counts once.
 */

import { type ReadonlySignal, signal } from '@preact/signals';
import type { Shelf } from '../storage.ts';
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
  /** The gateway has moved back already. */
  readonly rewound: boolean;
  /** Why the gateway will not take it. */
  readonly failed: string | undefined;
}

export interface Outbox {
  readonly entries: ReadonlySignal<readonly Outgoing[]>;
  add(entry: Outgoing): void;
  update(runId: string, change: Partial<Outgoing>): void;
  remove(runId: string): void;
}

export function openOutbox(shelf: Shelf): Outbox {
  const kept = shelf
    .names('out:')
    .flatMap((name) => readEntry(shelf.read(name)) ?? [])
    .toSorted((a, b) => a.createdAt - b.createdAt);
  const entries = signal<readonly Outgoing[]>(kept);
  const keep = (entry: Outgoing) => {
    // Pictures may be more than the device keeps; then the words are kept at least.
    if (!shelf.write(`out:${entry.runId}`, entry)) {
      shelf.write(`out:${entry.runId}`, { ...entry, attachments: [] });
    }
  };
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
      shelf.remove(`out:${runId}`);
      entries.value = entries.value.filter((each) => each.runId !== runId);
    },
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
    rewound: value['rewound'] === true,
    failed: text(value['failed']),
  };
}
