/** Answers that are no stream of the expected kind, whatever the API. */

import { UpstreamFault } from './adapter.ts';

export const UNREADABLE = {
  kind: 'unavailable',
  sentence: 'sent an answer that cannot be read',
} as const;

/**
 * Throws if a page or a whole document came where a stream belongs: an SDK would read it as a
 * stream without events. Most often the base URL leads to a web interface.
 */
export function refuseDocument(response: Response, provider: string): void {
  const type = response.headers.get('content-type') ?? '';
  if (!/html|application\/json/i.test(type)) return;
  const sentence = `answered with a document instead of a stream; check models.providers.${provider}.baseUrl`;
  throw new UpstreamFault({ status: response.status, known: { kind: 'unavailable', sentence } });
}
