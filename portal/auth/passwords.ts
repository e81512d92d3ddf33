/** Passwords: hashed with argon2id on libuv's threads, a few at a time. */

import { hash, verify } from 'argon2';

/** Characters; the upper bound only keeps a request from being made of password. */
export const PASSWORD_LENGTH = { least: 8, most: 256 } as const;

/** OWASP's recommendation: 19 MiB and two passes, some 20 ms of one core. */
const COST = { memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;

/** libuv has four threads by default; the others stay free for signatures and files. */
const AT_ONCE = 2;
/** Beyond this many, the next is turned away: it would wait for more than a second. */
const WAITING = 50;

export function passwordProblem(password: string): string | undefined {
  const { least, most } = PASSWORD_LENGTH;
  if (password.length < least) return `the password is too short; use at least ${least} characters`;
  if (password.length > most) return `the password is too long; use at most ${most} characters`;
  return undefined;
}

/** The same text whatever the keyboard composes it of. */
const normal = (password: string) => password.normalize('NFC');

export function hashPassword(password: string): Promise<string> {
  return hash(normal(password), COST);
}

export interface PasswordChecker {
  /** Takes as long for a user without a hash as for one with. `busy` if too many wait already. */
  check(password: string, passwordHash: string | undefined): Promise<boolean | 'busy'>;
}

export async function createPasswordChecker(): Promise<PasswordChecker> {
  const nobody = await hashPassword('the password of nobody');
  let running = 0;
  const waiting: (() => void)[] = [];

  async function slot(): Promise<void> {
    if (running < AT_ONCE) {
      running += 1;
      return;
    }
    // The slot is handed over, so `running` stays.
    await new Promise<void>((resolve) => waiting.push(resolve));
  }

  function release(): void {
    const next = waiting.shift();
    if (next) next();
    else running -= 1;
  }

  return {
    async check(password, passwordHash) {
      if (waiting.length >= WAITING) return 'busy';
      await slot();
      try {
        const right = await verify(passwordHash ?? nobody, normal(password));
        return right && passwordHash !== undefined;
      } finally {
        release();
      }
    },
  };
}
