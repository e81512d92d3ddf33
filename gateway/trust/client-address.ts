/** Where a connection says it came from: for logs, never for decisions. */

import { foldName, type Header } from './headers.ts';
import { normalizeAddress } from './peer.ts';

interface TracePolicy {
  readonly isProxy: (address: string) => boolean;
  readonly allowRealIpFallback: boolean;
}

/**
 * Call only for a peer that is a trusted proxy. The client's address is the rightmost entry of
 * X-Forwarded-For that is no trusted proxy, else X-Real-IP if the configuration allows it, else
 * the peer. The request id is X-Request-ID if it is 1 to 128 of `A-Za-z0-9._-`.
 */
export function describeClient(
  policy: TracePolicy,
  peer: string,
  headers: readonly Header[],
): { clientAddress: string; requestId?: string } {
  const requestId = single(headers, 'x-request-id');
  return {
    clientAddress:
      forwardedFor(policy, headers) ??
      (policy.allowRealIpFallback
        ? normalizeAddress(single(headers, 'x-real-ip')?.trim() ?? '')
        : undefined) ??
      peer,
    ...(requestId !== undefined && /^[A-Za-z0-9._-]{1,128}$/.test(requestId) && { requestId }),
  };
}

function forwardedFor(policy: TracePolicy, headers: readonly Header[]): string | undefined {
  const hops = headers
    .filter(([name]) => name === 'x-forwarded-for')
    .flatMap(([, value]) => value.split(','));
  for (const hop of hops.toReversed()) {
    const address = normalizeAddress(hop.trim());
    // What stands left of something that is no address was not written by a trusted proxy.
    if (address === undefined) return undefined;
    if (!policy.isProxy(address)) return address;
  }
  return undefined;
}

function single(headers: readonly Header[], name: string): string | undefined {
  const found = headers.filter((header) => foldName(header[0]) === name);
  return found.length === 1 ? found[0]?.[1] : undefined;
}
