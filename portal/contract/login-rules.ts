/** Rules of POST /api/v1/auth/login; of no concern to a portal whose users sign in elsewhere. */

import { postJson, type Subject } from './calls.ts';
import { demand, demandError, demandStatus, type Rule } from './rule.ts';

const hasLogin = ({ login }: Subject) => login !== undefined;

function signIn(subject: Subject, username: string, password: string) {
  return postJson(`${subject.baseUrl}/api/v1/auth/login`, { username, password });
}

export const loginRules: readonly Rule[] = [
  {
    name: 'login',
    says: 'the right password gives access_token, token_type "Bearer", expires_in and user',
    applies: hasLogin,
    async check(subject) {
      const { username = '', password = '' } = subject.login ?? {};
      const answer = await signIn(subject, username, password);
      demandStatus(answer, 200);
      const { access_token: token, token_type: type, expires_in: seconds, user } = answer.body;
      demand(typeof token === 'string' && token !== '', 'access_token is no text');
      demand(type === 'Bearer', 'token_type is not "Bearer"');
      demand(typeof seconds === 'number' && seconds > 0, 'expires_in is no number of seconds');
      const named = typeof user === 'object' && user !== null && 'id' in user;
      demand(named && typeof user.id === 'string', 'user.id is no text');
    },
  },
  {
    name: 'login-wrong-password',
    says: 'a wrong password and an unknown user get the same 401',
    applies: hasLogin,
    async check(subject) {
      const { username = '', password = '' } = subject.login ?? {};
      const wrong = await signIn(subject, username, `${password}-wrong`);
      demandError(wrong, 401);
      const unknown = await signIn(subject, 'oc-contract-test-nobody', `${password}-wrong`);
      demandError(unknown, 401);
      demand(wrong.text === unknown.text, 'the two answers differ, which tells who is a user');
    },
  },
];
