/** conf.d/oc-gateway.conf: what stands in `http`, and one server for each set of names. */

import { API_LOCATIONS, PAGE_LOCATIONS, STAY_WITH_TLS, socketLocations } from './locations.ts';
import { PATTERNS } from './patterns.ts';
import type { NginxValues } from './values.ts';

export function siteConf(values: NginxValues): string {
  return `# Rendered by \`oc-gateway nginx render\`: change the values and render again.

map_hash_bucket_size 128;   # long instance ids

# ---- what the client sent, read once ------------------------------------------------------------
map $args $oc_token           { default ""; "~^token=(?<oc_token_read>${PATTERNS.token})$" $oc_token_read; }
map $args $oc_token_problem   { default token_missing; "~*(?:^|&)token=." token_invalid; }
map $http_origin $oc_origin_ok { default 0; include oc-gateway/origins.conf; }
map $http_upgrade $oc_upgrade_ok       { default 0; "~*^websocket$" 1; }
map $http_connection $oc_connection_ok { default 0; "~*(?:^|,)[ \\t]*upgrade[ \\t]*(?:,|$)" 1; }
map $oc_upgrade_ok$oc_connection_ok $oc_is_websocket { default 0; "11" 1; }
# A page of another host reads an error of nginx's own only with this header.
map $oc_origin_ok $oc_cors_origin { default ""; "1" $http_origin; }

# ---- what the portal answered -------------------------------------------------------------------
map $oc_user $oc_user_ok               { default 0; "~^${PATTERNS.userId}$" 1; }
map $oc_session_key $oc_session_key_ok { default 0; "~^${PATTERNS.sessionKey}$" 1; }

# ---- instance -> gateway ------------------------------------------------------------------------
map $oc_instance_id $oc_backend { default ""; include ${values.mapFile}; }

# ---- log: $uri has no query string, and the token is only there ---------------------------------
log_format oc_gateway escape=json
  '{"time":"$time_iso8601","ip":"$remote_addr","method":"$request_method","host":"$host","uri":"$uri",'
  '"status":"$status","seconds":$request_time,"sent":$bytes_sent,"received":$request_length,'
  '"user":"$oc_user","instance":"$oc_instance","deny":"$oc_deny","refused":"$oc_refused",'
  '"upstream":"$upstream_addr","upstreamStatus":"$upstream_status","requestId":"$request_id"}';

limit_req_zone  $binary_remote_addr zone=oc_handshakes:10m rate=${values.limits.handshakesPerSecond}r/s;
limit_req_zone  $binary_remote_addr zone=oc_api:10m        rate=${values.limits.apiPerSecond}r/s;
limit_conn_zone $binary_remote_addr zone=oc_address:10m;
limit_conn_zone $binary_remote_addr zone=oc_refused:10m;
limit_conn_zone $oc_user            zone=oc_user:10m;

${upstreams(values)}
${defaultServer(values)}
${servers(values).join('\n')}`;
}

function upstreams({ portal, refusals, upstreams: pools }: NginxValues): string {
  const ours = `upstream oc_portal   { server ${portal}; keepalive 32; }
upstream oc_refusals { server ${refusals}; }
`;
  const theirs = Object.entries(pools).map(
    ([name, addresses]) => `upstream ${name} {
  hash $oc_session_key consistent;   # all tabs of a session meet one process
  # A 503 says "served by another process", which is no failure; and who is gone refuses at once.
${addresses.map((address) => `  server ${address} max_fails=0;\n`).join('')}}
`,
  );
  return ours + theirs.join('');
}

/** Names that nobody configured get nothing, whatever path they ask for. */
function defaultServer(values: NginxValues): string {
  return `server {
${listens(values, true)}${
  values.tls
    ? `  ssl_reject_handshake on;
${TLS_TERMS}`
    : ''
}  server_name _;
${quiet(values)}
  return 421;
}
`;
}

function listens({ listen, tls }: NginxValues, isDefault: boolean): string {
  const options = `${isDefault ? ' default_server' : ''}${tls ? ' ssl http2' : ''}`;
  return listen.map((address) => `  listen ${address}${options};\n`).join('');
}

function quiet(values: NginxValues): string {
  return `
  access_log ${values.accessLog} oc_gateway;
  # Lines about a request carry its first line, and so its token, at every level below this one.
  # What went wrong stands in the access log: status, upstreamStatus, deny.
  error_log ${values.errorLog} emerg;
  uninitialized_variable_warn off;`;
}

function servers(values: NginxValues): string[] {
  const roles = new Map<string, ('page' | 'api' | 'socket')[]>();
  for (const role of ['page', 'api', 'socket'] as const) {
    const names = values.serverNames[role].join(' ');
    roles.set(names, [...(roles.get(names) ?? []), role]);
  }
  return [...roles].map(([names, served]) => server(values, names, served));
}

function server(values: NginxValues, names: string, roles: readonly string[]): string {
  return `server {
${listens(values, false)}  server_name ${names};
${tlsLines(values)}${quiet(values)}
  root /nonexistent;
  client_max_body_size 64k;
  client_header_timeout 10s;
  client_body_timeout 10s;
  large_client_header_buffers 4 8k;
  absolute_redirect off;
  limit_req_status 429;
  limit_conn_status 429;
  # No \`set\` here: the auth subrequest would run it again and wipe the values of its parent.

${roles.includes('page') ? PAGE_LOCATIONS(values) : ''}${roles.includes('api') ? API_LOCATIONS(values) : ''}${
  roles.includes('socket') ? socketLocations(values) : ''
}  location / { return 404; }
}
`;
}

/** In the default server too: its terms hold until the client has named another. */
const TLS_TERMS = `  ssl_protocols TLSv1.2 TLSv1.3;
  ssl_session_cache shared:oc_tls:10m;
  ssl_session_timeout 1h;
  ssl_session_tickets off;
`;

function tlsLines({ tls }: NginxValues): string {
  if (!tls) return '';
  return `
  ssl_certificate     ${tls.certificate};
  ssl_certificate_key ${tls.key};
${TLS_TERMS}  ${STAY_WITH_TLS}
`;
}

/**
 * A page cannot see the status of a refused upgrade. So the upgrade goes to a small service that takes it and
 * closes with a code and a reason.
 */
export function refuseConf(): string {
  return `# A "return" comes before the limits of its own location, so refusals are counted here.
limit_req zone=oc_handshakes burst=100 nodelay;
limit_conn oc_refused 32;
# By a variable, so that neither path nor query goes along.
set $oc_refusal_service oc_refusals;
proxy_pass http://$oc_refusal_service/;
proxy_http_version 1.1;
proxy_pass_request_body off;
proxy_pass_request_headers off;
proxy_set_header Content-Length         "";
proxy_set_header Upgrade                websocket;
proxy_set_header Connection             upgrade;
proxy_set_header Sec-WebSocket-Key      $http_sec_websocket_key;
proxy_set_header Sec-WebSocket-Version  $http_sec_websocket_version;
proxy_set_header Sec-WebSocket-Protocol $http_sec_websocket_protocol;
proxy_set_header X-Reject-Status        $oc_refused;
proxy_set_header X-Reject-Reason        $oc_deny;
proxy_connect_timeout 1s;
proxy_read_timeout 5s;
`;
}
