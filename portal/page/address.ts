/** What the page's address says. It names no host: where things live is the portal's to say. */

export interface Address {
  readonly instanceId: string | undefined;
  /** Text to show, nothing more. */
  readonly name: string | undefined;
  readonly model: string | undefined;
  /** A one-time sign-in ticket from `#ticket=`. */
  readonly ticket: string | undefined;
}

export function readAddress(): Address {
  const query = new URLSearchParams(location.search);
  const hash = new URLSearchParams(location.hash.slice(1));
  return {
    instanceId: query.get('instance_id')?.trim() || undefined,
    name: shownName(query.get('name')),
    model: query.get('model')?.trim() || undefined,
    ticket: hash.get('ticket') ?? undefined,
  };
}

/** Takes the ticket out of the address, so that it is in no history. */
export function forgetTicket(): void {
  history.replaceState(null, '', location.pathname + location.search);
}

const MOST_NAME_CHARS = 60;
/** Control characters, breaks of lines, and marks that change the direction of what follows. */
const TURNING = /[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]+/gu;

/** Without what would turn or break the line that it stands in, cut between characters. */
function shownName(given: string | null): string | undefined {
  if (given === null) return undefined;
  const words = given.replaceAll(TURNING, ' ').trim();
  // No character is shorter than a unit; the segmenter takes long to wake, at the page's first moment.
  if (words.length <= MOST_NAME_CHARS) return words || undefined;
  const chars = new Intl.Segmenter().segment(words.slice(0, 10 * MOST_NAME_CHARS));
  const kept = Array.from(chars, (each) => each.segment).slice(0, MOST_NAME_CHARS);
  return kept.join('') || undefined;
}

/** The page of an instance. */
export function addressOf(instanceId: string): string {
  return `?${new URLSearchParams({ instance_id: instanceId })}`;
}
