/** What a browser may do with our answers. */

import type { FastifyHelmetOptions } from '@fastify/helmet';
import { originOf } from '../config-formats.ts';
import type { PortalConfig } from '../config-schema.ts';

/** Strict: the page's own files, and the addresses that the configuration names. */
export function securityHeaders(
  config: Pick<PortalConfig, 'apiBase' | 'connectSrc' | 'publicWsBase'>,
): FastifyHelmetOptions {
  const connect = new Set(["'self'", originOf(config.publicWsBase), ...config.connectSrc]);
  if (config.apiBase !== '') connect.add(config.apiBase);
  return {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        'default-src': ["'none'"],
        'script-src': ["'self'"],
        'style-src': ["'self'"],
        'img-src': ["'self'", 'data:', 'blob:'],
        'font-src': ["'self'"],
        'connect-src': [...connect],
        'frame-ancestors': ["'none'"],
        'base-uri': ["'none'"],
        'form-action': ["'none'"],
        'require-trusted-types-for': ["'script'"],
      },
    },
    xFrameOptions: { action: 'deny' },
    referrerPolicy: { policy: 'no-referrer' },
    // TLS ends at the proxy, so the proxy says this.
    strictTransportSecurity: false,
  };
}
