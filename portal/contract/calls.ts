/** A portal as the contract's test sees it: two addresses, one user, and what they answer. */

export interface Subject {
  /** Where the public API is, such as `https://m.example.com`. No slash at the end. */
  readonly baseUrl: string;
  /** Where nginx asks. No slash at the end. */
  readonly internalUrl: string;
  readonly internalSecret: string;
  /** Of a user who has a right to `instanceId`. */
  readonly accessToken: string;
  readonly instanceId: string;
  /** One to which the user has no right. */
  readonly forbiddenInstanceId: string;
  readonly login?: { readonly username: string; readonly password: string };
  /** How long after its first use a token may work again, in milliseconds. */
  readonly reuseMs: number;
  readonly sleep: (ms: number) => Promise<void>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body's fields, none if it is no JSON object. */
  readonly body: Readonly<Record<string, unknown>>;
}

const TIMEOUT_MS = 10_000;

export async function call(url: string, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(url, {
    ...init,
    redirect: 'manual',
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, body: fieldsOf(text) };
}

/** Without an access token, or with an empty one, there is no Authorization header. */
export function postJson(url: string, body: object, accessToken = ''): Promise<Answer> {
  return call(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(accessToken !== '' && { authorization: `Bearer ${accessToken}` }),
    },
    body: JSON.stringify(body),
  });
}

export function createSession(
  subject: Subject,
  body: object = { instance_id: subject.instanceId },
  accessToken: string | undefined = subject.accessToken,
): Promise<Answer> {
  return postJson(`${subject.baseUrl}/api/v1/me/webchat/session/create`, body, accessToken);
}

/** `secret: null` leaves the header out. */
export function verify(
  subject: Subject,
  query: Readonly<Record<string, string>>,
  options: { secret?: string | null; at?: string } = {},
): Promise<Answer> {
  const { secret = subject.internalSecret, at = subject.internalUrl } = options;
  const search = new URLSearchParams(query).toString();
  return call(`${at}/api/v1/internal/webchat/verify${search && `?${search}`}`, {
    headers: secret === null ? {} : { 'x-internal-secret': secret },
  });
}

/** @throws {Error} if the portal gives none: then no rule about tokens can be judged. */
export async function freshToken(subject: Subject): Promise<string> {
  const { status, body } = await createSession(subject);
  const { token } = body;
  if (status !== 200 || typeof token !== 'string') {
    throw new Error(`session/create gave no token (status ${status})`);
  }
  return token;
}

export function fieldsOf(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}
