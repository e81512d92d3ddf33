/** Headers that HTTP cannot carry, found before a call is made with them. */

import type { ProviderEndpoint } from './contract.ts';

const NAME = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/;

/** Latin-1 without control characters but the tab: RFC 9110 §5.5. Anything else cannot be sent as one header. */
const VALUE = /^[\t\x20-\x7E\x80-\xFF]*$/;

/** Continues "Provider <id> …" if the endpoint's key or headers cannot be sent. */
export function unsendable({ id, apiKey, headers }: ProviderEndpoint): string | undefined {
  const rule = 'holds characters that no HTTP header can carry';
  if (!VALUE.test(apiKey)) return `cannot be asked: models.providers.${id}.apiKey ${rule}`;
  const fits = Object.entries(headers).every(
    ([name, value]) => NAME.test(name) && VALUE.test(value),
  );
  return fits ? undefined : `cannot be asked: models.providers.${id}.headers ${rule}`;
}
