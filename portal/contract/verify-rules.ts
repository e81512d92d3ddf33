/** Rules of GET /api/v1/internal/webchat/verify. */

import { createSession, freshToken, type Subject, verify } from './calls.ts';
import { demand, demandDenied, demandIdentity, demandStatus, type Rule } from './rule.ts';

/** Added to the reuse window before a token must have stopped working, in milliseconds. */
const MARGIN_MS = 1_000;

function pair(subject: Subject, token: string) {
  return { token, instance_id: subject.instanceId };
}

export const verifyRules: readonly Rule[] = [
  {
    name: 'verify-secret',
    says: 'without the secret, or with a wrong one, 403 not_internal, whatever the token',
    async check(subject) {
      const query = pair(subject, await freshToken(subject));
      demandDenied(await verify(subject, query, { secret: null }), 'not_internal');
      demandDenied(await verify(subject, query, { secret: 'wrong' }), 'not_internal');
      const longer = `${subject.internalSecret}x`;
      demandDenied(await verify(subject, query, { secret: longer }), 'not_internal');
    },
  },
  {
    name: 'verify-no-token',
    says: 'no token, or an empty one, is 403 token_missing',
    async check(subject) {
      const { instanceId } = subject;
      demandDenied(await verify(subject, { instance_id: instanceId }), 'token_missing');
      demandDenied(await verify(subject, pair(subject, '')), 'token_missing');
    },
  },
  {
    name: 'verify-unknown-token',
    says: 'a token that nobody made is 403 token_invalid',
    async check(subject) {
      for (const token of ['nonsense-nonsense', 'a'.repeat(1024), "' OR 1=1 --"]) {
        demandDenied(await verify(subject, pair(subject, token)), 'token_invalid');
      }
    },
  },
  {
    name: 'verify-identity',
    says: '200 without a body; X-User-ID, X-Instance-ID and X-Session-Key, each once and well formed',
    async check(subject) {
      const { body } = await createSession(subject);
      const answer = await verify(subject, pair(subject, String(body['token'])));
      demandIdentity(answer, subject.instanceId, String(body['session_key']));
      demand(answer.text === '', 'there is a body');
    },
  },
  {
    name: 'verify-without-instance',
    says: 'instance_id may be left out; X-Instance-ID then still names the instance',
    async check(subject) {
      const token = await freshToken(subject);
      demandIdentity(await verify(subject, { token }), subject.instanceId);
    },
  },
  {
    name: 'verify-other-instance',
    says: 'another instance is 403 instance_mismatch, and does not use the token up',
    async check(subject) {
      const token = await freshToken(subject);
      const other = { token, instance_id: 'oc-contract-test-unknown' };
      demandDenied(await verify(subject, other), 'instance_mismatch');
      demandIdentity(await verify(subject, pair(subject, token)), subject.instanceId);
    },
  },
  {
    name: 'verify-two-tabs',
    says: 'the token of one tab still works after that of another was used',
    async check(subject) {
      const [first, second] = [await freshToken(subject), await freshToken(subject)];
      demandIdentity(await verify(subject, pair(subject, second)), subject.instanceId);
      demandIdentity(await verify(subject, pair(subject, first)), subject.instanceId);
    },
  },
  {
    name: 'verify-once',
    says: 'a used token is 403 token_used once the reuse window is over',
    async check(subject) {
      const query = pair(subject, await freshToken(subject));
      demandIdentity(await verify(subject, query), subject.instanceId);
      await subject.sleep(subject.reuseMs + MARGIN_MS);
      demandDenied(await verify(subject, query), 'token_used');
    },
  },
  {
    name: 'verify-not-the-access-token',
    says: 'the access token is no handshake token, and a handshake token is no access token',
    async check(subject) {
      const denied = await verify(subject, pair(subject, subject.accessToken));
      demandDenied(denied, 'token_invalid');
      const token = await freshToken(subject);
      demandStatus(await createSession(subject, undefined, token), 401);
    },
  },
  {
    name: 'verify-not-public',
    says: 'the public address does not serve it, even with the secret',
    applies: ({ baseUrl, internalUrl }) => baseUrl !== internalUrl,
    async check(subject) {
      const query = pair(subject, await freshToken(subject));
      const answer = await verify(subject, query, { at: subject.baseUrl });
      demand(answer.status >= 400, `status ${answer.status}`);
      demand(!answer.headers.has('x-user-id'), 'X-User-ID is sent');
    },
  },
];
