/**
 * One function decides whom an upgrade speaks for. It sees the TCP peer and the headers and
 * nothing else, so the same facts can be judged again when the configuration changes.
 */

import type { Principal } from '../../agents/principal.ts';
import { describeClient } from './client-address.ts';
import { foldName, type Header, isIdentityValue, readIdentityHeaders } from './headers.ts';
import { compileProxies, isLoopback, normalizeAddress } from './peer.ts';
import { type Refusal, refuse } from './refusals.ts';
import { compileSecret } from './secret.ts';

/** The `gateway` section of the configuration, as far as it concerns trust. */
export interface TrustConfig {
  readonly trustedProxies: readonly string[];
  readonly allowRealIpFallback: boolean;
  readonly auth: {
    readonly trustedProxy: {
      readonly userHeader: string;
      readonly requiredHeaders: readonly string[];
      /** Empty: every user. */
      readonly allowUsers: readonly string[];
      readonly allowLoopback: boolean;
      readonly instanceHeader: string;
      readonly sessionKeyHeader: string;
      readonly secret?: { readonly header: string; readonly value: string } | undefined;
    };
  };
  readonly controlUi: { readonly allowedOrigins: readonly string[] };
  /** Instance id → agent id. Absent: any instance is served. */
  readonly instances?: Readonly<Record<string, string>> | undefined;
}

export interface UpgradeFacts {
  /** Address of the TCP peer as the socket gives it. */
  readonly peer: string;
  /** In the order of arrival, names in lower case, duplicates included. */
  readonly headers: readonly Header[];
}

/** For logs only: neither field ever decides anything. */
interface ClientTrace {
  /** Normalised; the peer unless the proxy forwarded another. */
  readonly clientAddress: string;
  readonly requestId?: string;
}

export type TrustDecision =
  | ({
      readonly ok: true;
      readonly principal: Principal;
      /** Names the connection's main session; absent: the agent's main session. */
      readonly sessionKey?: string;
      readonly origin: string;
    } & ClientTrace)
  | ({
      readonly ok: false;
      /** `upgrade`: answer HTTP 403. `handshake`: accept, answer `connect` with the error, close 1008. */
      readonly stage: 'upgrade' | 'handshake';
    } & Refusal &
      ClientTrace);

/** A compiled configuration: lists are sets, ranges are parsed, the secret is a digest. */
export interface TrustPolicy {
  readonly isProxy: (address: string) => boolean;
  readonly allowLoopback: boolean;
  readonly allowRealIpFallback: boolean;
  /** Folded names of every header that rules below look at. */
  readonly identityHeaders: ReadonlySet<string>;
  readonly userHeader: string;
  readonly instanceHeader: string;
  readonly sessionKeyHeader: string;
  readonly secret:
    | { readonly header: string; readonly matches: (value: string) => boolean }
    | undefined;
  /** As configured: the spelling is told to the client. */
  readonly requiredHeaders: readonly string[];
  readonly allowedUsers: ReadonlySet<string> | undefined;
  readonly instances: ReadonlySet<string> | undefined;
  readonly allowedOrigins: ReadonlySet<string>;
}

const MAX_USER_CHARS = 256;
const MAX_INSTANCE_CHARS = 256;
const MAX_SESSION_KEY_CHARS = 512;
const DEFAULT_INSTANCE = 'default';

/**
 * Compiles once per configuration.
 * @throws TypeError if `trustedProxies` holds something that is neither an address nor a range.
 */
export function compileTrust(config: TrustConfig): TrustPolicy {
  const proxy = config.auth.trustedProxy;
  const userHeader = foldName(proxy.userHeader);
  const instanceHeader = foldName(proxy.instanceHeader);
  const sessionKeyHeader = foldName(proxy.sessionKeyHeader);
  const secret = proxy.secret && {
    header: foldName(proxy.secret.header),
    matches: compileSecret(proxy.secret.value),
  };
  return {
    isProxy: compileProxies(config.trustedProxies),
    allowLoopback: proxy.allowLoopback,
    allowRealIpFallback: config.allowRealIpFallback,
    identityHeaders: new Set([
      userHeader,
      instanceHeader,
      sessionKeyHeader,
      'origin',
      ...(secret ? [secret.header] : []),
      ...proxy.requiredHeaders.map(foldName),
    ]),
    userHeader,
    instanceHeader,
    sessionKeyHeader,
    secret,
    requiredHeaders: [...proxy.requiredHeaders],
    allowedUsers: proxy.allowUsers.length > 0 ? new Set(proxy.allowUsers) : undefined,
    instances: config.instances && new Set(Object.keys(config.instances)),
    allowedOrigins: new Set(config.controlUi.allowedOrigins),
  };
}

/** Whether the peer of a TCP connection is a trusted proxy. */
export function isProxy(policy: TrustPolicy, peer: string): boolean {
  const address = normalizeAddress(peer);
  return address !== undefined && policy.isProxy(address);
}

/**
 * Judges an upgrade by the rules in order; the first that fails names the refusal. Pure: the same
 * policy and facts always give the same decision. Never throws.
 */
export function judgeUpgrade(policy: TrustPolicy, facts: UpgradeFacts): TrustDecision {
  const peer = normalizeAddress(facts.peer);
  if (peer === undefined || !policy.isProxy(peer)) {
    const clientAddress = peer ?? facts.peer;
    return { ok: false, stage: 'upgrade', clientAddress, ...refuse('peer_untrusted') };
  }
  const trace = describeClient(policy, peer, facts.headers);
  const verdict = judgeHeaders(policy, peer, facts.headers);
  return 'rule' in verdict
    ? { ok: false, stage: 'handshake', ...trace, ...verdict }
    : { ok: true, ...trace, ...verdict };
}

/**
 * The part of the facts that is worth keeping for the life of a socket, to judge it again under
 * a later configuration. If that one reads other headers it finds them missing and refuses: the
 * client reconnects and is judged in full.
 */
export function retainFacts(policy: TrustPolicy, facts: UpgradeFacts): UpgradeFacts {
  const kept = facts.headers.filter(([name]) => policy.identityHeaders.has(foldName(name)));
  return { peer: facts.peer, headers: kept };
}

interface Identity {
  readonly principal: Principal;
  readonly sessionKey?: string;
  readonly origin: string;
}

function judgeHeaders(
  policy: TrustPolicy,
  peer: string,
  headers: readonly Header[],
): Identity | Refusal {
  if (isLoopback(peer) && !policy.allowLoopback) return refuse('peer_loopback');

  const read = readIdentityHeaders(headers, policy.identityHeaders);
  if (!read.ok) return refuse(`header_${read.problem}`, read.header);
  const { values } = read;

  const { secret } = policy;
  // A missing secret is compared too, so that absence and error take the same path.
  if (secret && !secret.matches(values.get(secret.header) ?? '')) {
    return refuse('secret_mismatch', secret.header);
  }

  const missing = policy.requiredHeaders.find((name) => isBlank(values.get(foldName(name))));
  if (missing !== undefined) return refuse('required_header_missing', missing);

  const user = judgeUser(policy, values.get(policy.userHeader));
  if (typeof user !== 'string') return user;

  const instance = judgeInstance(policy, values.get(policy.instanceHeader));
  if (typeof instance !== 'string') return { ...instance, user };

  const origin = values.get('origin') ?? '';
  if (!policy.allowedOrigins.has(origin)) {
    const unusable = origin === '' || origin === 'null';
    return { ...refuse(unusable ? 'origin_missing' : 'origin_not_allowed'), user, instance };
  }

  const sessionKey = values.get(policy.sessionKeyHeader) ?? '';
  if (sessionKey !== '' && !isIdentityValue(sessionKey, MAX_SESSION_KEY_CHARS)) {
    return { ...refuse('session_key_invalid', policy.sessionKeyHeader), user, instance };
  }
  return {
    principal: { userId: user, instanceId: instance },
    ...(sessionKey !== '' && { sessionKey }),
    origin,
  };
}

function judgeUser(policy: TrustPolicy, value: string | undefined): string | Refusal {
  if (value === undefined || isBlank(value)) return refuse('user_missing', policy.userHeader);
  if (!isIdentityValue(value, MAX_USER_CHARS)) return refuse('user_invalid', policy.userHeader);
  if (policy.allowedUsers && !policy.allowedUsers.has(value)) {
    return { ...refuse('user_not_allowed'), user: value };
  }
  return value;
}

function judgeInstance(policy: TrustPolicy, value: string | undefined): string | Refusal {
  if (value === undefined || isBlank(value)) {
    // Declared instances leave no room for one that nobody named.
    return policy.instances ? refuse('instance_missing', policy.instanceHeader) : DEFAULT_INSTANCE;
  }
  if (!isIdentityValue(value, MAX_INSTANCE_CHARS)) {
    return refuse('instance_invalid', policy.instanceHeader);
  }
  if (policy.instances && !policy.instances.has(value)) {
    return { ...refuse('instance_unknown'), instance: value };
  }
  return value;
}

function isBlank(value: string | undefined): boolean {
  return value === undefined || value.trim() === '';
}
