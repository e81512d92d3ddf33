/**
 * The published contract of the protocol (`@openclaw/gateway-protocol`), as a judge of every frame
 * that the gateway sends: whatever it refuses, a real client may refuse too.
 */

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { Ajv, type ValidateFunction } from 'ajv';

interface PublishedSchema {
  readonly definitions: Readonly<Record<string, object>>;
}

// The package does not export the file, so it is found next to the module that it does export.
const entry = createRequire(import.meta.url).resolve('@openclaw/gateway-protocol');
const schemaFile = new URL('../protocol.schema.json', pathToFileURL(entry));
// Its shape is fixed by the pinned version of the package.
const published: PublishedSchema = JSON.parse(readFileSync(schemaFile, 'utf8'));

// The schema uses its own keywords and formats; they describe, they do not constrain.
const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false });
const validators = new Map<string, ValidateFunction>();

/** The compiled validator of one definition, e.g. `HelloOk`. Throws if there is none of that name. */
export function validatorFor(definition: string): ValidateFunction {
  const known = validators.get(definition);
  if (known) return known;
  const schema = published.definitions[definition];
  if (!schema) throw new Error(`no published definition ${definition}`);
  const compiled = ajv.compile(schema);
  validators.set(definition, compiled);
  return compiled;
}

/** Payload definitions by event. The package publishes none for the other events that are served. */
const EVENT_PAYLOADS: Readonly<Record<string, string>> = {
  agent: 'AgentEvent',
  chat: 'ChatEvent',
  shutdown: 'ShutdownEvent',
  tick: 'TickEvent',
};

/** Result definitions by method. The package publishes none for the other methods that are served. */
const METHOD_RESULTS: Readonly<Record<string, string>> = {
  'agent.identity.get': 'AgentIdentityResult',
  'agents.list': 'AgentsListResult',
  'artifacts.download': 'ArtifactsDownloadResult',
  'chat.message.get': 'ChatMessageGetResult',
  'commands.list': 'CommandsListResult',
  connect: 'HelloOk',
  'models.list': 'ModelsListResult',
  'sessions.branches.list': 'SessionsBranchesListResult',
  'sessions.branches.switch': 'SessionsBranchesSwitchResult',
  'sessions.create': 'SessionsCreateResult',
  'sessions.delete': 'SessionsDeleteResult',
  'sessions.fork': 'SessionsForkResult',
  'sessions.resolve': 'SessionsResolveResult',
  'sessions.rewind': 'SessionsRewindResult',
  'sessions.search': 'SessionsSearchResult',
};

/** Detail codes whose fields are published; the others are free. */
const ERROR_DETAILS: Readonly<Record<string, string>> = {
  MISSING_SCOPE: 'MissingScopeErrorDetails',
  UNKNOWN_AGENT_ID: 'UnknownAgentIdErrorDetails',
};

/** Throws with every violation if `value` does not satisfy the definition. */
function checkAgainst(definition: string, value: unknown): void {
  const validate = validatorFor(definition);
  if (validate(value)) return;
  const problems = (validate.errors ?? []).map(
    (error) => `${error.instancePath || '/'} ${error.message} ${JSON.stringify(error.params)}`,
  );
  throw new Error(`not a valid ${definition}:\n  ${problems.join('\n  ')}`);
}

/**
 * Throws unless a frame from the gateway is what the package publishes: the envelope, and the
 * payload wherever there is a definition for it. A response does not name its method: give it.
 */
export function checkFrame(frame: unknown, method?: string): void {
  checkAgainst('GatewayFrame', frame);
  const { type, event, ok, payload, error } = asRecord(frame);
  if (type === 'event') {
    const definition = EVENT_PAYLOADS[String(event)];
    if (definition) checkAgainst(definition, payload);
    if (event === 'session.message' || event === 'sessions.changed') checkRow(payload);
  } else if (type === 'res' && ok === true && method !== undefined) {
    const definition = METHOD_RESULTS[method];
    if (definition) checkAgainst(definition, payload);
    checkRows(payload);
  } else if (type === 'res' && ok === false) {
    checkAgainst('ErrorShape', error);
    const details = asRecord(asRecord(error)['details'] ?? {});
    const definition = ERROR_DETAILS[String(details['code'])];
    if (definition) checkAgainst(definition, details);
  }
}

/** Session rows appear in results that have no definition of their own. */
function checkRows(payload: unknown): void {
  if (!isRecord(payload)) return;
  const { sessions, list } = payload;
  if (Array.isArray(sessions)) for (const row of sessions) checkAgainst('SessionRow', row);
  if (list !== undefined) checkRows(list);
  checkRow(payload);
}

function checkRow(payload: unknown): void {
  const { session } = asRecord(payload);
  if (session !== undefined && session !== null) checkAgainst('SessionRow', session);
}

function asRecord(value: unknown): Readonly<Record<string, unknown>> {
  if (!isRecord(value)) throw new Error('expected an object');
  return value;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
