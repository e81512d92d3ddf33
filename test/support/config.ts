/** Configurations for black-box tests: a proxy on loopback, one allowed origin, a fake upstream. */

import { ORIGIN } from './client.ts';

export interface TestConfigOptions {
  /** Base URL of the upstream; absent: the demo provider. */
  upstream?: string;
  /** Merged over the section `gateway`, one level deep. */
  gateway?: Record<string, unknown>;
  /** Merged over `agents.defaults`. */
  defaults?: Record<string, unknown>;
  /** Merged over the provider. */
  provider?: Record<string, unknown>;
  entries?: Record<string, unknown>;
  logging?: Record<string, unknown>;
}

export function testConfig(options: TestConfigOptions = {}): Record<string, unknown> {
  const provider = options.upstream
    ? {
        baseUrl: options.upstream,
        apiKey: 'sk-test-secret',
        models: [{ id: 'mock-1', input: ['text', 'image'] }, { id: 'mock-2' }],
      }
    : { api: 'demo', models: [{ id: 'mock-1' }] };
  return {
    gateway: {
      bind: 'loopback',
      trustedProxies: ['127.0.0.1'],
      auth: { mode: 'trusted-proxy', trustedProxy: { allowLoopback: true } },
      controlUi: { allowedOrigins: [ORIGIN], dangerouslyDisableDeviceAuth: true },
      shutdown: { graceSeconds: 1 },
      ...options.gateway,
    },
    agents: {
      defaults: { model: 'mock/mock-1', ...options.defaults },
      ...(options.entries && { entries: options.entries }),
    },
    ...(options.logging && { logging: options.logging }),
    models: { providers: { mock: { ...provider, ...options.provider } } },
  };
}
