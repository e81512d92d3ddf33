/** `oc-gateway models [--probe]`: what is configured, and with --probe, who answers. */

import type { Catalog, ConfiguredModel } from '../../agents/definition.ts';
import { createEndpoints, type EndpointSource } from '../../agents/endpoints.ts';
import type { ProviderAdapter } from '../../providers/contract.ts';
import { loadAdapter } from '../../providers/registry.ts';
import { buildCatalog } from '../catalog.ts';
import { loadConfig } from '../config/load.ts';
import { formatProblem } from '../config/problem.ts';
import type { Io } from './io.ts';

export interface ModelsFlags {
  config?: string;
  probe?: boolean;
}

/** Exit code 0; 1 if the configuration has errors, no model is configured, or a probe failed. */
export async function models(io: Io, flags: ModelsFlags): Promise<number> {
  const loaded = loadConfig({
    env: io.env,
    ...(flags.config !== undefined && { path: flags.config }),
  });
  if (!loaded.ok) {
    for (const problem of loaded.errors) io.stderr.write(`${formatProblem(problem)}\n`);
    return 1;
  }
  const catalog = buildCatalog(loaded.config);
  const listed = [...catalog.models.values()];
  if (listed.length === 0) {
    io.stderr.write('No model is configured: set models.providers and agents.defaults.model.\n');
    return 1;
  }
  const width = Math.max(...listed.map((model) => model.ref.length));
  const endpoints = createEndpoints();
  // All at once: they are different services, and one that hangs should not hold up the list.
  const verdicts = listed.map((model) => (flags.probe ? probe(endpoints, model) : undefined));
  let failed = false;
  for (const [index, model] of listed.entries()) {
    const verdict = await verdicts[index];
    failed ||= verdict?.ok === false;
    const columns = [model.ref.padEnd(width), model.api.padEnd(20), users(catalog, model)];
    io.stdout.write(`${[...columns, verdict?.text ?? ''].join('  ').trimEnd()}\n`);
  }
  return failed ? 1 : 0;
}

/** Which agents call it, and as what: `main` first choice, `main:2` first fallback. */
function users(catalog: Catalog, model: ConfiguredModel): string {
  const places = [...catalog.agents.values()].flatMap((agent) => {
    const at = agent.models.findIndex((each) => each.ref === model.ref);
    if (at < 0) return [];
    return [at === 0 ? agent.id : `${agent.id}:${at + 1}`];
  });
  return places.length > 0 ? places.join(',') : '-';
}

interface Verdict {
  ok: boolean;
  text: string;
}

/** The fewest that every API takes: OpenAI's Responses refuse less. */
const PROBE_TOKENS = 16;

/**
 * One call for a few tokens, when it is its turn: a local server may be given one call at a time. Tells
 * the time to the first event, or why there was none, with what upstream said.
 */
async function probe(endpointOf: EndpointSource, listed: ConfiguredModel): Promise<Verdict> {
  const { queue } = await endpointOf(listed);
  let said = '';
  const onUpstreamText = (text: string) => {
    said = quoted(text, listed);
  };
  const model = { ...listed, endpoint: { ...listed.endpoint, onUpstreamText } };
  const adapter = (await loadAdapter(model.api))(model.endpoint);
  const { signal } = new AbortController();
  const admission = await queue.enter(model.ref, signal);
  try {
    const verdict = await ask(adapter, model, signal);
    return verdict.ok ? verdict : { ok: false, text: verdict.text + said };
  } finally {
    if (admission.outcome === 'admitted') admission.release();
  }
}

/** A header value of fewer characters is none worth hiding, and would blot out ordinary words. */
const SECRET_LENGTH = 4;

/** As one line, without the secrets of the endpoint: some servers repeat the key that they refuse. */
function quoted(text: string, { endpoint }: ConfiguredModel): string {
  const secrets = [endpoint.apiKey, ...Object.values(endpoint.headers)];
  const safe = secrets
    .filter((secret) => secret.length >= SECRET_LENGTH)
    .reduce((left, secret) => left.replaceAll(secret, '***'), text)
    .replaceAll(/[\p{Cc}\p{Cf}\s]+/gu, ' ')
    .trim();
  return safe === '' ? '' : ` It said: ${JSON.stringify(safe.slice(0, 300))}`;
}

async function ask(
  adapter: ProviderAdapter,
  model: ConfiguredModel,
  signal: AbortSignal,
): Promise<Verdict> {
  const started = performance.now();
  const elapsed = () => `${Math.round(performance.now() - started)} ms`;
  const call = adapter({
    model: model.info,
    system: '',
    messages: [{ role: 'user', content: [{ type: 'text', text: 'Say ok.' }] }],
    tools: [],
    maxOutputTokens: PROBE_TOKENS,
    reasoning: 'off',
    signal,
  });
  for await (const event of call) {
    if (event.type === 'error') {
      const { kind, status, message } = event.failure;
      const code = status === undefined ? kind : `${kind}, HTTP ${status}`;
      return { ok: false, text: `failed after ${elapsed()} (${code}): ${message}` };
    }
    if (event.type !== 'start') return { ok: true, text: `ok, ${elapsed()}` };
  }
  return { ok: false, text: 'failed: the adapter ended without an answer' };
}
