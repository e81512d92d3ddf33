/** The endpoints in use: each with its adapter and connections, its circuit breaker and its queue. */

import { type Breaker, createBreaker, DEFAULT_BREAKER } from '../providers/breaker.ts';
import type { ProviderAdapter } from '../providers/contract.ts';
import { createFairQueue, type FairQueue } from '../providers/fair-queue.ts';
import { loadAdapter } from '../providers/registry.ts';
import type { ConfiguredModel } from './definition.ts';

export interface Endpoint {
  adapter: ProviderAdapter;
  breaker: Breaker;
  /** Turns go by user: nobody's hundred calls hold up another's one. */
  queue: FairQueue;
}

/** Made at its first use and kept. Rejects only if the adapter's module cannot be loaded. */
export type EndpointSource = (model: ConfiguredModel) => Promise<Endpoint>;

/** Calls that may wait for one endpoint; one more is told so. */
const MAX_WAITING = 10_000;

/**
 * An endpoint whose configuration changes is made anew; calls under way keep the old one.
 * `now` is in milliseconds and never goes back.
 */
export function createEndpoints(now: () => number = () => performance.now()): EndpointSource {
  const endpoints = new Map<string, Promise<Endpoint>>();
  /** One for all models of a provider, whatever the differences of the single model. */
  const shared = new Map<string, Pick<Endpoint, 'breaker' | 'queue'>>();

  function sharedBy(model: ConfiguredModel): Pick<Endpoint, 'breaker' | 'queue'> {
    const { compat: _, ...endpoint } = model.endpoint;
    const identity = JSON.stringify([model.api, endpoint, model.maxConcurrentCalls]);
    let found = shared.get(identity);
    if (!found) {
      found = {
        breaker: createBreaker({ ...DEFAULT_BREAKER, now }),
        queue: createFairQueue({ limit: model.maxConcurrentCalls, maxWaiting: MAX_WAITING }),
      };
      shared.set(identity, found);
    }
    return found;
  }

  async function make(model: ConfiguredModel): Promise<Endpoint> {
    const createAdapter = await loadAdapter(model.api);
    return { adapter: createAdapter(model.endpoint), ...sharedBy(model) };
  }

  return (model) => {
    const identity = JSON.stringify([model.api, model.endpoint, model.maxConcurrentCalls]);
    let endpoint = endpoints.get(identity);
    if (!endpoint) {
      endpoint = make(model);
      endpoints.set(identity, endpoint);
      endpoint.catch(() => endpoints.delete(identity));
    }
    return endpoint;
  };
}
