/**
 * Which principals this process serves, where a gateway has several: those of which it has a socket, a run or
 * a queue. Another process is refused them meanwhile.
 */

import type { Principal } from '../../agents/principal.ts';
import type { Leases, Owner } from '../../agents/sessions/leases.ts';

export interface Ownership {
  /** Makes the principal this process's own, if it is nobody's. False: another process serves it. */
  claim(principal: Principal): boolean;
  /** Something of the principal has ended here: when nothing is left, another process may have it. */
  loosen(principal: Principal): void;
  /** Tells whom owners that are dead have served. */
  left(owners: readonly Owner[]): (principal: Principal) => boolean;
  /** Ends the leases of the dead. Those in `kept` are this process's from now on. */
  inherit(owners: readonly Owner[], kept: readonly Principal[]): void;
  close(): void;
}

/** A page that comes back at once finds its place kept, and spares a lease. */
const LINGER_MS = 250;

export interface OwnershipOptions {
  leases: Leases;
  /** Whether a socket of the principal is here: `loosen` is called when it closes. */
  hasSocket: (principal: Principal) => boolean;
  /** Whether a run or a queue of the principal is here: nothing is called when it ends. */
  hasRun: (principal: Principal) => boolean;
  /** The file of the leases fails: nobody new is served here. */
  onFailure: (error: unknown) => void;
}

/** Where one process serves everybody. */
export const SOLE_OWNER: Pick<Ownership, 'claim' | 'loosen'> = {
  claim: () => true,
  loosen() {},
};

export function createOwnership(options: OwnershipOptions): Ownership {
  const { leases, onFailure } = options;
  const own = new Map<string, Principal>();
  /** Of these it is to be seen whether anything is here. */
  const loose = new Map<string, Principal>();
  let timer: NodeJS.Timeout | undefined;
  let closed = false;

  function look(): void {
    timer = undefined;
    const idle: [name: string, principal: Principal][] = [];
    for (const [name, principal] of loose) {
      if (options.hasSocket(principal)) loose.delete(name);
      else if (!options.hasRun(principal)) idle.push([name, principal]);
    }
    try {
      if (idle.length > 0) leases.release(idle.map(([, principal]) => principal));
      for (const [name] of idle) {
        own.delete(name);
        loose.delete(name);
      }
    } catch (error) {
      onFailure(error);
    }
    if (loose.size > 0) lookLater();
  }

  function lookLater(): void {
    if (!closed) timer ??= setTimeout(look, LINGER_MS).unref();
  }

  return {
    claim(principal) {
      const name = nameOf(principal);
      if (own.has(name)) return true;
      try {
        if (!leases.take(principal)) return false;
      } catch (error) {
        onFailure(error);
        return false;
      }
      own.set(name, principal);
      // What it was claimed for may come to nothing.
      loose.set(name, principal);
      lookLater();
      return true;
    },

    loosen(principal) {
      loose.set(nameOf(principal), principal);
      lookLater();
    },

    left(owners) {
      const names = new Set(leases.of(owners).map(nameOf));
      return (principal) => names.has(nameOf(principal));
    },

    inherit(owners, kept) {
      leases.inherit(owners, kept);
      for (const principal of kept) {
        own.set(nameOf(principal), principal);
        loose.set(nameOf(principal), principal);
      }
      if (kept.length > 0) lookLater();
    },

    close() {
      closed = true;
      clearTimeout(timer);
      leases.close();
    },
  };
}

/** No id holds a line break. */
function nameOf({ userId, instanceId }: Principal): string {
  return `${userId}\n${instanceId}`;
}
