/** What the page's address says. It names no host: where things live is the portal's to say. */

export interface Address {
  readonly instanceId: string | undefined;
  /** Text to show, nothing more. */
  readonly name: string | undefined;
  readonly model: string | undefined;
  /** A one-time sign-in ticket from `#ticket=`. */
  readonly ticket: string | undefined;
}

/** Reads the address and takes the ticket out of it, so that it is in no history. */
export function readAddress(): Address {
  const query = new URLSearchParams(location.search);
  const hash = new URLSearchParams(location.hash.slice(1));
  const ticket = hash.get('ticket') ?? undefined;
  if (ticket !== undefined) history.replaceState(null, '', location.pathname + location.search);
  return {
    instanceId: query.get('instance_id')?.trim() || undefined,
    name: shownName(query.get('name') ?? ''),
    model: query.get('model')?.trim() || undefined,
    ticket,
  };
}

const MOST_NAME_CHARS = 60;
/** Control characters, breaks of lines, and marks that change the direction of what follows. */
const TURNING = /[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]+/gu;

/** Without what would turn or break the line that it stands in, cut between characters. */
function shownName(given: string): string | undefined {
  const words = given.replaceAll(TURNING, ' ').trim();
  const chars = new Intl.Segmenter().segment(words.slice(0, 10 * MOST_NAME_CHARS));
  const kept = Array.from(chars, (each) => each.segment).slice(0, MOST_NAME_CHARS);
  return kept.join('') || undefined;
}

/** The page of an instance. */
export function addressOf(instanceId: string): string {
  return `?${new URLSearchParams({ instance_id: instanceId })}`;
}
