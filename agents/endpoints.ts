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

/** What nobody has asked for in this time has left the configuration, or might as well have. */
const UNUSED_MS = 3_600_000;

/** What two models have in common if they share a provider, and if they share an endpoint of it. */
interface Traits {
  identity: string;
  differences: string;
}

/** One provider as it is configured now. */
interface Provider {
  /** Everything that all its models share; another one means that the configuration has changed. */
  identity: string;
  /** One for all models, whatever the differences of the single model. */
  shared: Pick<Endpoint, 'breaker' | 'queue'>;
  /** Read by the queue. */
  limit: { calls: number };
  /** By the differences of the model. */
  endpoints: Map<string, Promise<Endpoint>>;
  usedAt: number;
}

/**
 * A provider whose configuration changes is made anew, but for its queue: calls under way keep the old one, which is
 * dropped with the last of them, and count. `now` is in milliseconds and never goes back.
 */
export function createEndpoints(now: () => number = () => performance.now()): EndpointSource {
  const providers = new Map<string, Provider>();
  /** A model is asked for thrice in each call, and stays the same object while its configuration does. */
  const traits = new WeakMap<ConfiguredModel, Traits>();

  function traitsOf(model: ConfiguredModel): Traits {
    const known = traits.get(model);
    if (known) return known;
    const { compat = {}, ...endpoint } = model.endpoint;
    const identity = JSON.stringify([model.api, endpoint, model.maxConcurrentCalls]);
    const made = { identity, differences: JSON.stringify(compat) };
    traits.set(model, made);
    return made;
  }

  function providerOf(model: ConfiguredModel, identity: string): Provider {
    const { id: name } = model.endpoint;
    const usedAt = now();
    const known = providers.get(name);
    if (known?.identity === identity) {
      known.usedAt = usedAt;
      return known;
    }
    for (const [id, { usedAt: last }] of providers) {
      if (usedAt - last > UNUSED_MS) providers.delete(id);
    }
    const limit = known?.limit ?? { calls: 0 };
    limit.calls = model.maxConcurrentCalls;
    const shared = {
      breaker: createBreaker({ ...DEFAULT_BREAKER, now }),
      queue:
        known?.shared.queue ??
        createFairQueue({ limit: () => limit.calls, maxWaiting: MAX_WAITING }),
    };
    const provider = { identity, shared, limit, endpoints: new Map(), usedAt };
    providers.set(name, provider);
    return provider;
  }

  return (model) => {
    const { identity, differences } = traitsOf(model);
    const { shared, endpoints } = providerOf(model, identity);
    const known = endpoints.get(differences);
    if (known) return known;
    const made = loadAdapter(model.api).then((createAdapter) => ({
      adapter: createAdapter(model.endpoint),
      ...shared,
    }));
    endpoints.set(differences, made);
    made.catch(() => endpoints.delete(differences));
    return made;
  };
}
