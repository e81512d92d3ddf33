/** What a method is: a name, the scope it takes, the shape of its parameters, and a handler. */

import type { FromSchema, JSONSchema } from 'json-schema-to-ts';
import type { Catalog } from '../../agents/definition.ts';
import type { Principal } from '../../agents/principal.ts';
import type { LiveRun } from '../../agents/run.ts';
import type { Runs } from '../../agents/runs.ts';
import type { SessionStore } from '../../agents/sessions/store.ts';
import type { Config } from '../config/schema.ts';
import type { Hub } from '../hub.ts';
import type { Logger } from '../log.ts';
import {
  type DetailCode,
  detailedError,
  type ErrorOptions,
  type ProtocolError,
} from '../protocol/errors.ts';
import { compileParams } from '../protocol/params.ts';
import type { SendRate } from '../send-rate.ts';
import type { KeyScope } from '../session-keys.ts';

export type Scope = 'operator.read' | 'operator.write' | 'operator.admin';

/** What every handler may use; made once, at the composition root. */
export interface Services {
  store: SessionStore;
  runs: Runs;
  hub: Hub;
  log: Logger;
  sendRate: SendRate;
  now: () => number;
  version: string;
  /** Milliseconds since the process began to serve. */
  uptimeMs: () => number;
  config: () => Config;
  catalog: () => Catalog;
}

/** The socket that asks. */
export interface Caller {
  readonly principal: Principal;
  readonly scopes: readonly string[];
  readonly keys: () => KeyScope;
  /** Sets what `sessions.subscribe` and `sessions.messages.subscribe` ask for. */
  watchSessions(on: boolean): void;
  watchMessages(sessionKey: string, on: boolean): void;
  /** Sends what this run has streamed and this socket has not got, so that a snapshot continues it. */
  catchUp(run: LiveRun): void;
}

export interface Method {
  readonly name: string;
  readonly scope: Scope;
  /** JSON Schema of the parameters. */
  readonly params: object;
  /** Checks the parameters, then answers. Rejects with `RequestError` for everything a client can cause. */
  call(params: unknown, caller: Caller, services: Services): object | Promise<object>;
}

/** A refusal of one request; the socket goes on. */
export class RequestError extends Error {
  readonly error: ProtocolError;

  constructor(error: ProtocolError) {
    super(error.message);
    this.error = error;
  }
}

/** Refuses with a known case; its code and whether it may be retried come from the table. */
export function refuse(
  detail: DetailCode,
  message: string,
  fields?: Readonly<Record<string, unknown>>,
  options?: Omit<ErrorOptions, 'details'>,
): never {
  throw new RequestError(detailedError(detail, message, fields, options));
}

type ObjectSchema = Exclude<JSONSchema, boolean>;

/** Declares a method; the handler gets parameters of the schema's type. */
export function method<const S extends ObjectSchema, P = FromSchema<S>>(
  name: string,
  scope: Scope,
  params: S,
  handler: (params: P, caller: Caller, services: Services) => object | Promise<object>,
): Method {
  const check = compileParams<S, P>(name, params);
  return {
    name,
    scope,
    params,
    call(given, caller, services) {
      const checked = check(given);
      if (!checked.ok) throw new RequestError(checked.error);
      return handler(checked.params, caller, services);
    },
  };
}
