/** What went wrong upstream → one of our failures, with a sentence that is safe to show. */

import type { ModelInfo, ProviderEndpoint } from './contract.ts';
import type { FailureKind, ProviderFailure } from './errors.ts';
import { retryAfterMs } from './retry-after.ts';
import { rowOf } from './wire.ts';
import { kindByWording } from './wording.ts';

/** What an adapter can tell about an error of its SDK. Nothing in here is shown to anyone. */
export interface UpstreamError {
  /** HTTP status, if upstream answered. */
  status?: number;
  headers?: Headers;
  /** The vendor's machine-readable codes and types, if any. */
  codes?: readonly string[];
  /** The vendor's sentence: read for its wording, never passed on. */
  text?: string;
  /** How long the body asks us to wait, in milliseconds, where a vendor says it there. */
  retryAfterMs?: number;
  /** The operating system's or the HTTP client's code, e.g. `ECONNREFUSED`. */
  network?: string;
  /** A kind that the adapter is sure of, with its sentence (see `failure`). */
  known?: { kind: FailureKind; sentence: string };
}

/** The kinds after which the same call may succeed later, or with another model. */
const RETRYABLE: ReadonlySet<FailureKind> = new Set(['rate_limit', 'timeout', 'unavailable']);

/**
 * Statuses that say more than their class. 409 is a lock held upstream, 425 "too early", 529
 * Anthropic's "overloaded"; like all of 5xx they pass.
 */
const KIND_BY_STATUS: Readonly<Record<number, FailureKind>> = {
  401: 'auth',
  402: 'rate_limit',
  403: 'auth',
  408: 'timeout',
  409: 'unavailable',
  425: 'unavailable',
  429: 'rate_limit',
  504: 'timeout',
};

const SENTENCE: Readonly<Record<FailureKind, string>> = {
  auth: 'refused the API key, or the key has no right to this model',
  rate_limit: 'is limiting requests, or the account has no quota left',
  context_length: 'cannot take a conversation of this length',
  refusal: 'refused the request under its content policy',
  timeout: 'took too long to answer',
  unavailable: 'is not available at the moment',
  bad_request: 'rejected the request',
  aborted: 'was stopped',
  unknown: 'failed in an unexpected way',
};

const NETWORK_SENTENCE: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'could not be reached: connection refused',
  ECONNRESET: 'closed the connection',
  EPIPE: 'closed the connection',
  ENOTFOUND: 'could not be reached: its host name does not resolve',
  EAI_AGAIN: 'could not be reached: its host name does not resolve at the moment',
  EHOSTUNREACH: 'could not be reached: no route to its host',
  ENETUNREACH: 'could not be reached: the network is down',
  UND_ERR_SOCKET: 'closed the connection',
  HPE_HEADER_OVERFLOW: 'answered with larger headers than are read',
};

const NETWORK_TIMEOUTS: ReadonlySet<string> = new Set([
  'ETIMEDOUT',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
]);

/** Builds a failure. `sentence` continues "Provider <id> …" and must hold nothing from upstream. */
export function failure(
  endpoint: ProviderEndpoint,
  model: ModelInfo,
  kind: FailureKind,
  sentence: string = SENTENCE[kind],
  more: { status?: number; retryAfterMs?: number } = {},
): ProviderFailure {
  const status = more.status === undefined ? '' : `, HTTP ${more.status}`;
  return {
    kind,
    retryable: RETRYABLE.has(kind),
    provider: endpoint.id,
    model: model.id,
    ...more,
    message: `Provider ${endpoint.id} ${sentence} (model ${model.id}${status}).`,
  };
}

/**
 * Classifies what upstream did, most specific evidence first: what the adapter knows, the vendor's
 * codes and wording, the HTTP status, the network. `now` in milliseconds since the epoch.
 */
export function classify(
  endpoint: ProviderEndpoint,
  model: ModelInfo,
  error: UpstreamError,
  now: number = Date.now(),
): ProviderFailure {
  const { status } = error;
  const wait = error.retryAfterMs ?? retryAfterMs(error.headers, now);
  const more = {
    ...(status !== undefined && { status }),
    ...(wait !== undefined && { retryAfterMs: wait }),
  };
  const advice = wait === undefined ? '' : `; it asks to wait ${Math.ceil(wait / 1000)} s`;
  if (error.known) {
    return failure(endpoint, model, error.known.kind, error.known.sentence, more);
  }
  const worded = kindByWording(error.codes ?? [], error.text ?? '', status);
  if (worded) return failure(endpoint, model, worded, SENTENCE[worded] + advice, more);
  if (status !== undefined) {
    const kind = kindByStatus(status);
    return failure(endpoint, model, kind, sentenceFor(endpoint, status, kind) + advice, more);
  }
  if (error.network !== undefined) return networkFailure(endpoint, model, error.network);
  return failure(endpoint, model, 'unknown', undefined, more);
}

function kindByStatus(status: number): FailureKind {
  const kind = KIND_BY_STATUS[status];
  if (kind) return kind;
  return status >= 500 ? 'unavailable' : 'bad_request';
}

function sentenceFor(endpoint: ProviderEndpoint, status: number, kind: FailureKind): string {
  const settings = `models.providers.${endpoint.id}`;
  if (status === 401) return `refused the API key; check ${settings}.apiKey`;
  if (status < 400) return `redirects elsewhere; check ${settings}.baseUrl`;
  if (status === 404) return `does not know this model or address; check ${settings}`;
  if (status === 413) return 'rejected the request because it is too large';
  return SENTENCE[kind];
}

function networkFailure(
  endpoint: ProviderEndpoint,
  model: ModelInfo,
  code: string,
): ProviderFailure {
  if (NETWORK_TIMEOUTS.has(code)) return failure(endpoint, model, 'timeout');
  if (code === 'ERR_INVALID_URL') {
    const sentence = `has no valid base URL; check models.providers.${endpoint.id}.baseUrl`;
    return failure(endpoint, model, 'bad_request', sentence);
  }
  return failure(endpoint, model, 'unavailable', networkSentence(code));
}

function networkSentence(code: string): string {
  if (isCertificateCode(code)) return 'could not be reached: its TLS certificate is not trusted';
  const known = rowOf(NETWORK_SENTENCE, code);
  if (known !== undefined) return known;
  // llhttp's names for what no client can read.
  return code.startsWith('HPE_') ? 'did not answer in HTTP' : 'could not be reached';
}

/** Node's names for certificate trouble: `CERT_HAS_EXPIRED`, `DEPTH_ZERO_SELF_SIGNED_CERT`, … */
function isCertificateCode(code: string): boolean {
  return /CERT|^UNABLE_TO_|^ERR_TLS_|^ERR_SSL_/.test(code);
}

/** The first `code` along an error's chain of causes: where Node and undici say what broke. */
export function networkCode(error: unknown): string | undefined {
  let current = error;
  // A chain longer than this is a loop.
  for (let depth = 0; depth < 8; depth += 1) {
    if (typeof current !== 'object' || current === null) return undefined;
    if ('code' in current && typeof current.code === 'string') return current.code;
    current = 'cause' in current ? current.cause : undefined;
  }
  return undefined;
}
