/** Upgrades as a proxy forwards them, and configurations to judge them by. */

import type { Header } from '../../gateway/trust/headers.ts';
import {
  compileTrust,
  judgeUpgrade,
  type TrustConfig,
  type TrustDecision,
} from '../../gateway/trust/judge.ts';
import type { TrustRule } from '../../gateway/trust/refusals.ts';

export const PROXY = '35.243.76.69';
export const ORIGIN = 'https://app.example';

export interface TrustChanges {
  trustedProxies?: readonly string[];
  allowRealIpFallback?: boolean;
  allowedOrigins?: readonly string[];
  instances?: Record<string, string>;
  proxy?: Partial<TrustConfig['auth']['trustedProxy']>;
}

export function configure(changes: TrustChanges = {}): TrustConfig {
  return {
    trustedProxies: changes.trustedProxies ?? [PROXY],
    allowRealIpFallback: changes.allowRealIpFallback ?? false,
    auth: {
      trustedProxy: {
        userHeader: 'X-User-ID',
        requiredHeaders: [],
        allowUsers: [],
        allowLoopback: false,
        instanceHeader: 'X-Instance-ID',
        sessionKeyHeader: 'X-Session-Key',
        ...changes.proxy,
      },
    },
    controlUi: { allowedOrigins: changes.allowedOrigins ?? [ORIGIN] },
    instances: changes.instances,
  };
}

const HEADERS: Readonly<Record<string, string>> = {
  origin: ORIGIN,
  'x-user-id': 'alice',
  'x-instance-id': 'oc-1',
  'x-session-key': 'agent:main:main',
};

/** The ordinary headers with some replaced, or removed by `undefined`. */
export function headers(changes: Readonly<Record<string, string | undefined>> = {}): Header[] {
  const merged: Readonly<Record<string, string | undefined>> = { ...HEADERS, ...changes };
  return Object.entries(merged).flatMap(([name, value]): Header[] =>
    value === undefined ? [] : [[name, value]],
  );
}

export function judge(config: TrustConfig, sent: readonly Header[], peer = PROXY): TrustDecision {
  return judgeUpgrade(compileTrust(config), { peer, headers: sent });
}

export function ruleOf(decision: TrustDecision): TrustRule | 'ok' {
  return decision.ok ? 'ok' : decision.rule;
}
