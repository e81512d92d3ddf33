/** The demonstration that is served where no configuration is found: this machine only, no key needed. */

import { formats } from './formats.ts';
import { type ConfigProblem, error, warning } from './problem.ts';
import type { Environment } from './substitute.ts';
import type { TreeNode } from './tree.ts';

/** The one origin that the demonstration allows; whatever the port is. */
const DEMO_ORIGIN = 'http://localhost:18789';

const DEFAULT_MODEL = 'gpt-4o-mini';

export interface BuiltIn {
  /** In the form in which a file gives it; validated like a file. */
  readonly tree: TreeNode;
  readonly problems: readonly ConfigProblem[];
}

/**
 * Trusts a proxy on loopback, which the terminal chat plays. Answers come from the provider `demo`, or
 * from One-API if ONE_API_BASE_URL and ONE_API_KEY are both set (model: ONE_API_MODEL, else gpt-4o-mini).
 */
export function builtInConfig(env: Environment): BuiltIn {
  const { provider, problems } = chooseProvider(env);
  const value = {
    gateway: {
      bind: 'loopback',
      trustedProxies: ['127.0.0.1', '::1'],
      auth: { mode: 'trusted-proxy', trustedProxy: { allowLoopback: true } },
      controlUi: { allowedOrigins: [DEMO_ORIGIN], dangerouslyDisableDeviceAuth: true },
    },
    agents: { defaults: { model: provider.model } },
    models: { providers: { [provider.id]: provider.settings } },
  };
  return { tree: toTree(value), problems };
}

function chooseProvider(env: Environment) {
  const problems: ConfigProblem[] = [];
  const baseUrl = env['ONE_API_BASE_URL'];
  const apiKey = env['ONE_API_KEY'];
  if (baseUrl && apiKey) {
    const format = formats['http-url'];
    const fault = format?.check(baseUrl);
    if (fault) {
      problems.push(
        error(undefined, 'ONE_API_BASE_URL', {
          message: `its value ${fault.is}`,
          cure: fault.cure ?? `give ${format?.expects}`,
        }),
      );
    }
    const model = env['ONE_API_MODEL'] || DEFAULT_MODEL;
    const settings = { api: 'openai-completions', baseUrl, apiKey, models: [{ id: model }] };
    return { provider: { id: 'oneapi', model: `oneapi/${model}`, settings }, problems };
  }
  if (baseUrl || apiKey) {
    const [present, absent] = baseUrl
      ? ['ONE_API_BASE_URL', 'ONE_API_KEY']
      : ['ONE_API_KEY', 'ONE_API_BASE_URL'];
    problems.push(
      warning(undefined, present, {
        message: `it is set and ${absent} is not, so that the built-in demo answers`,
        cure: `set ${absent} too`,
      }),
    );
  }
  const settings = { api: 'demo', models: [{ id: 'demo', name: 'Demo (no real model)' }] };
  return { provider: { id: 'demo', model: 'demo/demo', settings }, problems };
}

type Plain = string | boolean | readonly Plain[] | { readonly [key: string]: Plain };

function toTree(value: Plain): TreeNode {
  const at = { file: '(built-in)', line: 1, column: 1 };
  if (typeof value !== 'object') return { kind: 'scalar', at, value };
  if (Array.isArray(value)) return { kind: 'array', at, items: value.map(toTree) };
  const members = Object.entries(value).map(
    ([key, member]) => [key, { at, value: toTree(member) }] as const,
  );
  return { kind: 'object', at, members: new Map(members) };
}
