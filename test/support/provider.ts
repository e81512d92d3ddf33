import type { ProviderAdapter, ProviderEndpoint, ProviderEvent } from '../../providers/contract.ts';
import { type ApiName, loadAdapter } from '../../providers/registry.ts';

/** An adapter that can be made at once; its module is imported when it is first called. */
export function openProvider(api: ApiName, endpoint: ProviderEndpoint): ProviderAdapter {
  let loading: Promise<ProviderAdapter> | undefined;
  const load = () => (loading ??= loadAdapter(api).then((create) => create(endpoint)));
  return (request) => ({
    async forEach(take) {
      const stream = (await load())(request);
      if (stream.forEach) await stream.forEach(take);
      else for await (const event of stream) take(event);
    },
    [Symbol.asyncIterator]() {
      let events: AsyncIterator<ProviderEvent> | undefined;
      let returned = false;
      return {
        async next() {
          const adapter = await load();
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
