/** What stands in a conversation, top to bottom: messages, answers under way, messages on their way. */

import type { Message } from '../messages.ts';
import type { Outgoing } from '../store/outbox.ts';
import type { Live } from '../store/transcript.ts';

export type Item =
  | {
      readonly kind: 'user';
      readonly key: string;
      readonly message: Message;
      readonly queued: boolean;
    }
  | { readonly kind: 'answer'; readonly key: string; readonly message: Message }
  | { readonly kind: 'live'; readonly key: string; readonly live: Live }
  | { readonly kind: 'outgoing'; readonly key: string; readonly entry: Outgoing };

export function itemsOf(
  messages: readonly Message[],
  lives: readonly Live[],
  entries: readonly Outgoing[],
): Item[] {
  const answered = new Set(
    messages.flatMap((each) => (each.role === 'assistant' && each.runId ? [each.runId] : [])),
  );
  const living = new Map(lives.map((live) => [live.runId, live]));
  const items: Item[] = [];
  for (const message of upTo(messages, entries)) {
    const { runId, role } = message;
    if (role === 'assistant') {
      items.push({ kind: 'answer', key: keyOf('a', message), message });
      continue;
    }
    const live = runId === undefined ? undefined : living.get(runId);
    const waits = runId !== undefined && !live && !answered.has(runId);
    items.push({
      kind: 'user',
      key: keyOf('u', message),
      message,
      queued: waits && lives.length > 0,
    });
    if (live) {
      items.push({ kind: 'live', key: `a:${live.runId}`, live });
      living.delete(live.runId);
    }
  }
  // An answer whose question is not loaded (or is no message) stands at the end.
  for (const live of living.values()) items.push({ kind: 'live', key: `a:${live.runId}`, live });
  for (const entry of entries) items.push({ kind: 'outgoing', key: `u:${entry.runId}`, entry });
  return items;
}

/** A message that takes the place of another hides it, and what follows it, from the moment it is sent. */
function upTo(messages: readonly Message[], entries: readonly Outgoing[]): readonly Message[] {
  const replaced = entries.find((each) => each.rewindTo !== undefined && !each.failed)?.rewindTo;
  const at = replaced === undefined ? -1 : messages.findIndex((each) => each.id === replaced);
  return at < 0 ? messages : messages.slice(0, at);
}

/** The same for a message before and after the gateway has given it an id. */
function keyOf(prefix: string, message: Message): string {
  return `${prefix}:${message.runId ?? message.id}`;
}
