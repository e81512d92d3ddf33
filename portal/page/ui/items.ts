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
      /** What is kept of it, while the gateway shows the message and has not said that it is safe there. */
      readonly unacknowledged: Outgoing | undefined;
    }
  | { readonly kind: 'answer'; readonly key: string; readonly message: Message }
  | { readonly kind: 'live'; readonly key: string; readonly live: Live }
  | { readonly kind: 'outgoing'; readonly key: string; readonly entry: Outgoing };

export function itemsOf(
  messages: readonly Message[],
  lives: readonly Live[],
  entries: readonly Outgoing[],
): Item[] {
  const answered = runsOf(messages, 'assistant');
  const asked = runsOf(messages, 'user');
  const living = new Map(lives.map((live) => [live.runId, live]));
  // What is sent never stands beside its own row.
  const apart = entries.filter((each) => !asked.has(each.runId));
  const sending = new Map(
    entries.flatMap((each) => (each.failed === undefined ? [[each.runId, each]] : [])),
  );
  const items: Item[] = [];
  for (const message of upTo(messages, apart)) {
    const { runId, role } = message;
    if (role === 'assistant') {
      items.push({ kind: 'answer', key: keyOf('a', message), message });
      continue;
    }
    const live = runId === undefined ? undefined : living.get(runId);
    const waits = runId !== undefined && !live && !answered.has(runId);
    // An answer begins only when its question is safe.
    const unacknowledged = waits ? sending.get(runId) : undefined;
    items.push({
      kind: 'user',
      key: keyOf('u', message),
      message,
      queued: waits && !unacknowledged && lives.length > 0,
      unacknowledged,
    });
    if (live) {
      items.push({ kind: 'live', key: `a:${live.runId}`, live });
      living.delete(live.runId);
    }
  }
  // An answer whose question is not loaded (or is no message) stands at the end.
  for (const live of living.values()) items.push({ kind: 'live', key: `a:${live.runId}`, live });
  for (const entry of apart) items.push({ kind: 'outgoing', key: `u:${entry.runId}`, entry });
  return items;
}

function runsOf(messages: readonly Message[], role: Message['role']): Set<string> {
  return new Set(
    messages.flatMap((each) => (each.role === role && each.runId ? [each.runId] : [])),
  );
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
