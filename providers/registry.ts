/** Which APIs there are. An adapter and its SDK are imported on first use, so that one pays for what one uses. */

import type { AdapterFactory } from './contract.ts';

/** One line per API: its name in `models.providers.<id>.api`, and the module that speaks it. */
const ADAPTERS = {
  'openai-completions': () => import('./openai-completions.ts'),
  'openai-responses': () => import('./openai-responses.ts'),
  'anthropic-messages': () => import('./anthropic-messages.ts'),
  'google-generative-ai': () => import('./google-generative-ai.ts'),
  ollama: () => import('./ollama.ts'),
  demo: () => import('./demo.ts'),
} satisfies Record<string, () => Promise<{ createAdapter: AdapterFactory }>>;

export type ApiName = keyof typeof ADAPTERS;

export function isApiName(name: string): name is ApiName {
  return Object.hasOwn(ADAPTERS, name);
}

export const API_NAMES: readonly ApiName[] = Object.freeze(Object.keys(ADAPTERS).filter(isApiName));

export async function loadAdapter(api: ApiName): Promise<AdapterFactory> {
  return (await ADAPTERS[api]()).createAdapter;
}
