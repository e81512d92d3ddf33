/** Rules of POST /api/v1/me/webchat/session/create. */

import { type Answer, createSession, type Subject } from './calls.ts';
import { demand, demandError, demandStatus, type Rule } from './rule.ts';

const SESSION_KEY = /^[A-Za-z0-9](?:[A-Za-z0-9._:@+/=-]{0,254}[A-Za-z0-9=])?$/;
/** What nginx lets through as `?token=`. */
const TOKEN = /^[A-Za-z0-9_.-]{16,1024}$/;
const LONGEST_LIFE_MS = 3_600_000;

async function created(subject: Subject): Promise<Answer> {
  const answer = await createSession(subject);
  demandStatus(answer, 200);
  return answer;
}

function required(answer: Answer): void {
  demandError(answer, 400, 'instance_id_required');
  demand(
    answer.text.includes('instance_id is required'),
    'message is not "instance_id is required"',
  );
  demand(answer.text.includes('instance_id 不能为空'), 'message_zh is not "instance_id 不能为空"');
}

export const createRules: readonly Rule[] = [
  {
    name: 'create-unauthorized',
    says: 'without an access token, or with one that is none, 401 unauthorized',
    async check(subject) {
      demandError(await createSession(subject, undefined, ''), 401, 'unauthorized');
      demandError(await createSession(subject, undefined, 'nonsense'), 401, 'unauthorized');
    },
  },
  {
    name: 'create-instance-required',
    says: 'without instance_id, or with an empty one, 400 instance_id_required in both languages',
    async check(subject) {
      required(await createSession(subject, {}));
      required(await createSession(subject, { instance_id: '' }));
    },
  },
  {
    name: 'create-instance-no-text',
    says: 'an instance_id that is no text is a 4xx, not a 5xx',
    async check(subject) {
      const { status } = await createSession(subject, { instance_id: { $ne: 1 } });
      demand(status >= 400 && status < 500, `status ${status}`);
    },
  },
  {
    name: 'create-no-permission',
    says: 'an instance without a right to it is 403 no_permission',
    async check(subject) {
      const body = { instance_id: subject.forbiddenInstanceId };
      demandError(await createSession(subject, body), 403, 'no_permission');
    },
  },
  {
    name: 'create-unknown-instance',
    says: 'an instance that is not there looks like one without a right to it',
    async check(subject) {
      const body = { instance_id: 'oc-contract-test-unknown' };
      demandError(await createSession(subject, body), 403, 'no_permission');
    },
  },
  {
    name: 'create-answer',
    says: 'ws_url (of the instance, without a token), session_key, token and expires_at, not to be cached',
    async check(subject) {
      const { headers, body } = await created(subject);
      const url = URL.parse(String(body['ws_url']));
      demand(url?.protocol === 'wss:' || url?.protocol === 'ws:', 'ws_url is no ws or wss address');
      demand(
        url.pathname.endsWith(`/${subject.instanceId}`),
        'ws_url does not end in the instance',
      );
      demand(url.search === '' && url.hash === '', 'ws_url has a query; the page adds the token');
      demand(SESSION_KEY.test(String(body['session_key'])), 'session_key has another form');
      demand(TOKEN.test(String(body['token'])), 'token is not 16 to 1024 of A-Za-z0-9_.-');
      demand(/no-store/.test(headers.get('cache-control') ?? ''), 'Cache-Control is not no-store');
    },
  },
  {
    name: 'create-expiry',
    says: 'expires_at is an ISO time in the next hour',
    async check(subject) {
      const { headers, body } = await created(subject);
      const text = String(body['expires_at']);
      demand(
        /^\d{4}-\d\d-\d\dT.*(?:Z|[+-]\d\d:\d\d)$/.test(text),
        'expires_at is no ISO time with a zone',
      );
      // By the portal's own clock, where it tells.
      const now = Date.parse(headers.get('date') ?? '') || Date.now();
      const left = Date.parse(text) - now;
      demand(
        left > 0 && left <= LONGEST_LIFE_MS,
        `expires_at is ${Math.round(left / 1000)} s away`,
      );
    },
  },
  {
    name: 'create-twice',
    says: 'two sessions of a user at an instance have one session_key and two tokens',
    async check(subject) {
      const [one, two] = [await created(subject), await created(subject)];
      demand(one.body['session_key'] === two.body['session_key'], 'the session keys differ');
      demand(one.body['token'] !== two.body['token'], 'the tokens are the same');
    },
  },
];
