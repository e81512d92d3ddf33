/** The files from which the chain's processes start on one machine. */

import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder } from '../files/folder.ts';
import { pageOrigins } from './front.ts';

export interface Secrets {
  readonly jwt: string;
  readonly internal: string;
  readonly admin: string;
  readonly operator: string;
}

/** Made once and kept, so that sign-ins outlive a restart. @throws Error with what to do, if they cannot be used. */
export function chainSecrets(folder: string): Secrets {
  const file = join(folder, 'secrets.json');
  if (existsSync(file)) {
    const kept = readSecrets(file);
    if (kept) return kept;
    throw new Error(`${file} is damaged: remove it`);
  }
  const secrets: Secrets = {
    jwt: newSecret(),
    internal: newSecret(),
    admin: newSecret(),
    operator: newSecret(),
  };
  makeFolder(folder, 0o700);
  writeFileSync(file, JSON.stringify(secrets), { mode: 0o600 });
  return secrets;
}

/** Nothing if one of them is missing. */
function readSecrets(file: string): Secrets | undefined {
  try {
    const { jwt, internal, admin, operator }: Partial<Secrets> = JSON.parse(
      readFileSync(file, 'utf8'),
    );
    return jwt && internal && admin && operator ? { jwt, internal, admin, operator } : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function newSecret(): string {
  return randomBytes(32).toString('base64url');
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * openclaw.json of a gateway that trusts this machine's front. The listener for operators stands in it with port and
 * tokens as they are: `oc-gateway users delete` reads them from there, and has none of the chain's environment.
 */
export function gatewaySettings(options: {
  frontPort: number;
  adminPort: number;
  secrets: Pick<Secrets, 'admin' | 'operator'>;
  /** `npm run chat` comes from here. */
  alsoAllowed?: readonly string[];
  models: object;
}): object {
  const { adminPort, secrets } = options;
  return {
    gateway: {
      bind: 'loopback',
      trustedProxies: ['127.0.0.1'],
      auth: { mode: 'trusted-proxy', trustedProxy: { allowLoopback: true } },
      controlUi: {
        allowedOrigins: [...pageOrigins(options.frontPort), ...(options.alsoAllowed ?? [])],
        dangerouslyDisableDeviceAuth: true,
      },
      admin: { port: adminPort, token: secrets.admin, operatorToken: secrets.operator },
    },
    ...options.models,
  };
}

/** A One-API-compatible endpoint if the environment names one, else the demonstration. */
export function chosenModels(env: Environment): object {
  if (!env['ONE_API_BASE_URL'] || !env['ONE_API_KEY']) {
    return {
      agents: { defaults: { model: 'demo/demo' } },
      models: {
        providers: {
          demo: { api: 'demo', models: [{ id: 'demo', name: 'Demo (no real model)' }] },
        },
      },
    };
  }
  const id = env['ONE_API_MODEL'] || 'gpt-4o-mini';
  const provider = {
    api: 'openai-completions',
    baseUrl: '${ONE_API_BASE_URL}',
    apiKey: '${ONE_API_KEY}',
    models: [{ id, input: ['text', 'image'] }],
  };
  return {
    agents: { defaults: { model: `oneapi/${id}` } },
    models: { providers: { oneapi: provider } },
  };
}

/** portal.json of a portal behind this machine's front. */
export function portalSettings(options: {
  frontPort: number;
  database: string;
  adminUrl: string;
  pageDir?: string;
}): object {
  const { frontPort, database, adminUrl, pageDir } = options;
  return {
    listen: { port: 0 },
    database,
    jwtSecret: '${OC_JWT_SECRET}',
    internalSecret: '${OC_INTERNAL_SECRET}',
    publicWsBase: `ws://127.0.0.1:${frontPort}/oc-ws/`,
    allowedOrigins: pageOrigins(frontPort),
    trustedProxies: ['127.0.0.1'],
    gateways: [{ adminUrl, token: '${OC_ADMIN_TOKEN}' }],
    ...(pageDir !== undefined && { pageDir }),
  };
}

export function secretsEnv(secrets: Secrets): Record<string, string> {
  return {
    OC_JWT_SECRET: secrets.jwt,
    OC_INTERNAL_SECRET: secrets.internal,
    OC_ADMIN_TOKEN: secrets.admin,
  };
}
