/** Asks the portal whom a token speaks for, as nginx's auth_request does. */

import { request } from 'node:http';
import { PATTERNS } from '../nginx/patterns.ts';
import { splitAddress } from './address.ts';
import type { RefusedStatus } from './close-codes.ts';

const USER_ID = new RegExp(`^${PATTERNS.userId}$`);
const SESSION_KEY = new RegExp(`^${PATTERNS.sessionKey}$`);

export interface VerifyQuestion {
  portal: string;
  secret: string;
  timeoutMs: number;
  token: string;
  instance: string;
  clientAddress: string;
  requestId: string;
}

export type Verdict =
  | { readonly ok: true; readonly user: string; readonly sessionKey: string }
  | { readonly ok: false; readonly status: RefusedStatus; readonly word?: string };

const UNAVAILABLE: Verdict = { ok: false, status: 503, word: 'portal_unavailable' };

/** Never rejects: whatever goes wrong is a verdict. */
export function verify(question: VerifyQuestion): Promise<Verdict> {
  const { portal, instance, token } = question;
  return new Promise((resolve) => {
    const asked = request(
      {
        ...splitAddress(portal),
        path: `/api/v1/internal/webchat/verify?token=${token}&instance_id=${instance}`,
        agent: false,
        timeout: question.timeoutMs,
        headers: {
          'X-Internal-Secret': question.secret,
          'X-Real-IP': question.clientAddress,
          'X-Forwarded-For': question.clientAddress,
          'X-Request-ID': question.requestId,
        },
      },
      (response) => {
        response.resume();
        // Node joins the values of a header that stands there twice; the form below refuses that.
        const header = (name: string) => String(response.headers[name] ?? '');
        const status = response.statusCode ?? 0;
        if (status >= 200 && status < 300) resolve(judge(question, header));
        else if (status === 401 || status === 403) {
          resolve({ ok: false, status, word: header('x-deny-reason') });
        } else resolve(UNAVAILABLE);
      },
    );
    asked.on('timeout', () => asked.destroy());
    asked.on('error', () => resolve(UNAVAILABLE));
    asked.on('close', () => resolve(UNAVAILABLE));
    asked.end();
  });
}

function judge(question: VerifyQuestion, header: (name: string) => string): Verdict {
  const user = header('x-user-id');
  const sessionKey = header('x-session-key');
  if (!USER_ID.test(user) || !SESSION_KEY.test(sessionKey)) {
    return { ok: false, status: 403, word: 'identity_invalid' };
  }
  if (header('x-instance-id') !== question.instance) {
    return { ok: false, status: 403, word: 'instance_mismatch' };
  }
  return { ok: true, user, sessionKey };
}
