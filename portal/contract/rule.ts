/** What a rule of the contract is, and the words in which it says that it is broken. */

import { type Answer, fieldsOf, type Subject } from './calls.ts';

export interface Rule {
  readonly name: string;
  /** What holds, in a sentence. */
  readonly says: string;
  /** Absent: always. */
  readonly applies?: (subject: Subject) => boolean;
  /** @throws {Error} that says what was found instead. */
  check(subject: Subject): Promise<void>;
}

export function demand(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new Error(otherwise);
}

export function demandStatus(answer: Answer, ...wanted: readonly number[]): void {
  demand(
    wanted.includes(answer.status),
    `status ${answer.status} instead of ${wanted.join(' or ')}`,
  );
}

/** The error's form: a code, and a sentence in each language. */
export function demandError(answer: Answer, status: number, ...codes: readonly string[]): void {
  demandStatus(answer, status);
  const error = fieldsOf(JSON.stringify(answer.body['error'] ?? null));
  for (const field of ['code', 'message', 'message_zh']) {
    demand(typeof error[field] === 'string' && error[field] !== '', `error.${field} is no text`);
  }
  const code = String(error['code']);
  demand(
    codes.length === 0 || codes.includes(code),
    `error.code "${code}" instead of ${codes.map((each) => `"${each}"`).join(' or ')}`,
  );
}

/** The identity that nginx hands on. A header sent twice reads as one with a comma, which no id has. */
export function demandIdentity(answer: Answer, instanceId: string, sessionKey?: string): void {
  demandStatus(answer, 200);
  const header = (name: string) => answer.headers.get(name) ?? '';
  const user = header('x-user-id');
  demand(
    /^[A-Za-z0-9](?:[A-Za-z0-9._@+-]{0,126}[A-Za-z0-9])?$/.test(user),
    user === '' ? 'there is no X-User-ID' : 'X-User-ID is no user id',
  );
  demand(header('x-instance-id') === instanceId, 'X-Instance-ID is not the instance');
  const key = header('x-session-key');
  demand(
    /^[A-Za-z0-9](?:[A-Za-z0-9._:@+/=-]{0,254}[A-Za-z0-9=])?$/.test(key),
    'X-Session-Key is no session key',
  );
  demand(
    sessionKey === undefined || key === sessionKey,
    "X-Session-Key is not session/create's session_key",
  );
}

export function demandDenied(answer: Answer, ...reasons: readonly string[]): void {
  demandStatus(answer, 403);
  for (const name of ['x-user-id', 'x-instance-id', 'x-session-key']) {
    demand(!answer.headers.has(name), `${name} is sent with a refusal`);
  }
  const reason = answer.headers.get('x-deny-reason') ?? '';
  demand(
    reasons.includes(reason),
    `X-Deny-Reason "${reason}" instead of ${reasons.map((each) => `"${each}"`).join(' or ')}`,
  );
}
