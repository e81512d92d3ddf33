import type { ProviderAdapter, ProviderEndpoint, ProviderEvent } from '../../providers/contract.ts';
import { type ApiName, loadAdapter } from '../../providers/registry.ts';

/** An adapter that can be made at once; its module is imported when it is first called. */
export function openProvider(api: ApiName, endpoint: ProviderEndpoint): ProviderAdapter {
  let loading: Promise<ProviderAdapter> | undefined;
  return (request) => ({
    [Symbol.asyncIterator]() {
      let events: AsyncIterator<ProviderEvent> | undefined;
      let returned = false;
      return {
        async next() {
          loading ??= loadAdapter(api).then((createAdapter) => createAdapter(endpoint));
          const adapter = await loading;
          events ??= adapter(request)[Symbol.asyncIterator]();
          return returned ? { done: true, value: undefined } : events.next();
        },
        async return() {
          returned = true;
          await events?.return?.();
          return { done: true, value: undefined };
        },
      };
    },
  });
}
