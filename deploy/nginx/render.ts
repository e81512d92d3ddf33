/** Values → the files of nginx's configuration. Pure: the same values always give the same text. */

import { mainConf } from './main-conf.ts';
import { refuseConf, siteConf } from './site-conf.ts';
import type { NginxValues } from './values.ts';

export interface RenderedFile {
  /** Relative to the folder of nginx.conf: /etc/nginx on most hosts. */
  readonly path: string;
  readonly text: string;
  /** Holds a secret: for root's eyes, mode 0600. */
  readonly secret: boolean;
}

/** A regular expression that matches exactly this text, as PCRE reads it inside double quotes. */
function exactly(text: string): string {
  return `"~^${text.replace(/[.+*?^$()[\]{}|\\]/g, '\\$&')}$"`;
}

/** nginx.conf is for a host where nginx serves nothing else; elsewhere the others are enough. */
export function renderNginx(values: NginxValues): readonly RenderedFile[] {
  const { gatewaySecret } = values;
  return [
    { path: 'nginx.conf', text: mainConf(values), secret: false },
    { path: 'conf.d/oc-gateway.conf', text: siteConf(values), secret: false },
    { path: 'oc-gateway/refuse.conf', text: refuseConf(), secret: false },
    {
      path: 'oc-gateway/origins.conf',
      // Patterns, because nginx compares plain texts of a map without regard to case.
      text: values.allowedOrigins.map((origin) => `${exactly(origin)} 1;\n`).join(''),
      secret: false,
    },
    {
      path: 'oc-gateway/portal-secret.conf',
      text: `proxy_set_header X-Internal-Secret "${values.internalSecret}";\n`,
      secret: true,
    },
    ...(gatewaySecret
      ? [
          {
            path: 'oc-gateway/gateway-secret.conf',
            text: `proxy_set_header ${gatewaySecret.header} "${gatewaySecret.value}";\n`,
            secret: true,
          },
        ]
      : []),
  ];
}
