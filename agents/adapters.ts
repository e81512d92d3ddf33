/** The adapters in use: one per configured endpoint, made at its first call and kept with its connections. */

import type { ProviderAdapter } from '../providers/contract.ts';
import { loadAdapter } from '../providers/registry.ts';
import type { ConfiguredModel } from './definition.ts';

export type AdapterSource = (model: ConfiguredModel) => Promise<ProviderAdapter>;

/** An endpoint whose configuration changes gets a new adapter; calls under way keep the old one. */
export function createAdapters(): AdapterSource {
  const adapters = new Map<string, Promise<ProviderAdapter>>();
  return (model) => {
    const identity = JSON.stringify([model.api, model.endpoint]);
    let adapter = adapters.get(identity);
    if (!adapter) {
      adapter = loadAdapter(model.api).then((create) => create(model.endpoint));
      adapters.set(identity, adapter);
    }
    return adapter;
  };
}
