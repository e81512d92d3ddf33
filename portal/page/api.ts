/** The portal's HTTP interface as the page uses it. A failure is a `PortalError`, never a bare throw. */

import { exclusively } from './locks.ts';
import { dropTokens, storedTokens, storeSignIn, type Tokens } from './sign-in.ts';
import { count, type Fields, fields, list, parseJson, text } from './wire.ts';

export class PortalError extends Error {
  /** HTTP status; 0: no answer at all. */
  readonly status: number;
  /** The portal's code, such as `no_permission`. */
  readonly code: string;
  readonly retryAfterMs: number | undefined;
  constructor(status: number, code: string, retryAfterMs?: number) {
    super(`the portal answered ${status} ${code}`);
    this.status = status;
    this.code = code;
    this.retryAfterMs = retryAfterMs;
  }
}

export interface Instance {
  readonly id: string;
  readonly name: string;
  readonly starters: readonly string[];
}

export interface WebchatSession {
  /** With the token in it: good for one handshake. */
  readonly url: string;
  readonly instance: Instance;
}

export interface Portal {
  login(username: string, password: string): Promise<void>;
  loginWithTicket(ticket: string): Promise<void>;
  logout(): Promise<void>;
  instances(): Promise<Instance[]>;
  createSession(instanceId: string): Promise<WebchatSession>;
}

/** Where the API lives: the page's own origin unless config.json names another. Asked again after a failure. */
export function findPortal(): () => Promise<string> {
  let found: Promise<string> | undefined;
  const ask = async () => {
    const answer = await call(new URL('config.json', document.baseURI).href, { method: 'GET' });
    return text(answer['api_base']) ?? '';
  };
  return () => {
    found ??= ask().catch((error: unknown) => {
      found = undefined;
      throw error;
    });
    return found;
  };
}

export function createPortal(base: () => Promise<string>): Portal {
  const at = async (path: string, init: RequestInit) =>
    call(`${await base()}/api/v1/${path}`, init);

  const enter = async (body: object) => {
    const answer = await at('auth/login', post(body));
    keep(answer);
  };

  /** With a valid access token; one that expired is renewed once, without a word. */
  const authorized = async (path: string, init: RequestInit): Promise<Fields> => {
    const tokens = storedTokens();
    if (!tokens) throw new PortalError(401, 'unauthorized');
    try {
      return await at(path, withToken(init, tokens));
    } catch (error) {
      if (!(error instanceof PortalError) || error.status !== 401) throw error;
      return at(path, withToken(init, await renew(tokens)));
    }
  };

  /** Tabs share the tokens, and a refresh token works once: one tab renews, the others look again. */
  const renew = (stale: Tokens): Promise<Tokens> =>
    exclusively('sc_portal_refresh', async () => {
      const current = storedTokens();
      if (current && current.access !== stale.access) return current;
      if (stale.refresh === undefined) throw signedOut();
      try {
        keep(await at('auth/refresh', post({ refresh_token: stale.refresh })));
      } catch (error) {
        if (!(error instanceof PortalError) || error.status !== 401) throw error;
        throw signedOut();
      }
      return storedTokens() ?? stale;
    });

  return {
    login: (username, password) => enter({ username, password }),
    loginWithTicket: (ticket) => enter({ ticket }),
    async logout() {
      const tokens = storedTokens();
      if (!tokens) return;
      const init = withToken(post({ refresh_token: tokens.refresh }), tokens);
      // Signing out works without a network too: the tokens are gone from here either way.
      await at('auth/logout', init).catch(() => undefined);
    },
    async instances() {
      const answer = await authorized('me/instances', { method: 'GET' });
      return list(answer['instances']).map(readInstance);
    },
    async createSession(instanceId) {
      const answer = await authorized(
        'me/webchat/session/create',
        post({ instance_id: instanceId }),
      );
      const url = new URL(text(answer['ws_url']) ?? '');
      url.searchParams.set('token', text(answer['token']) ?? '');
      return { url: url.href, instance: readInstance(answer['instance']) };
    },
  };
}

function signedOut(): PortalError {
  dropTokens();
  return new PortalError(401, 'unauthorized');
}

function keep(answer: Fields): void {
  const user = fields(answer['user']);
  const id = text(user['id']);
  storeSignIn(
    { access: text(answer['access_token']) ?? '', refresh: text(answer['refresh_token']) },
    id === undefined ? undefined : { id, name: text(user['name']) ?? id },
  );
}

function readInstance(value: unknown): Instance {
  const instance = fields(value);
  const id = text(instance['id']) ?? '';
  return {
    id,
    name: text(instance['name']) ?? id,
    starters: list(instance['starters']).flatMap((each) => text(each) ?? []),
  };
}

function post(body: object): RequestInit {
  return {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  };
}

function withToken(init: RequestInit, tokens: Tokens): RequestInit {
  const headers = new Headers(init.headers);
  headers.set('authorization', `Bearer ${tokens.access}`);
  return { ...init, headers };
}

/** A portal that does not answer within this time counts as unreachable. */
const ANSWER_MS = 15_000;

async function call(url: string, init: RequestInit): Promise<Fields> {
  let response: Response;
  let body: string;
  try {
    response = await fetch(url, {
      ...init,
      credentials: 'omit',
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    body = await response.text();
  } catch {
    throw new PortalError(0, 'unreachable');
  }
  const answer = fields(parseJson(body));
  if (response.ok) return answer;
  const seconds = count(Number(response.headers.get('retry-after') ?? Number.NaN));
  const code = text(fields(answer['error'])['code']) ?? `http_${response.status}`;
  throw new PortalError(response.status, code, seconds && seconds * 1000);
}
