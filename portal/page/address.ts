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
    name: query.get('name')?.trim().slice(0, 80) || undefined,
    model: query.get('model')?.trim() || undefined,
    ticket,
  };
}

/** The page of an instance. */
export function addressOf(instanceId: string): string {
  return `?${new URLSearchParams({ instance_id: instanceId })}`;
}
