/**
 * A process of its own that makes calls and reports their events over IPC. What it writes to its
 * outputs is then what the adapter or its SDK wrote.
 */

import type { ProviderEndpoint, ProviderEvent } from '../../providers/contract.ts';
import { type ApiName, loadAdapter } from '../../providers/registry.ts';
import { collect, request } from '../providers/calls.ts';

export interface LoneCalls {
  api: ApiName;
  /** One call each. */
  endpoints: readonly ProviderEndpoint[];
}

async function make({ api, endpoints }: LoneCalls): Promise<ProviderEvent[]> {
  const createAdapter = await loadAdapter(api);
  const events: ProviderEvent[] = [];
  for (const endpoint of endpoints)
    events.push(...(await collect(createAdapter(endpoint)(request()))));
  return events;
}

process.once('message', (calls: LoneCalls) => {
  void make(calls).then((events) => process.send?.(events, () => process.disconnect()));
});
