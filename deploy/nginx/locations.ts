/** The locations of a server: the chat page, the portal's public API, and the sockets. */

import { AWAY_HEADERS, AWAY_PAGE, AWAY_TYPE } from './away-page.ts';
import { INSTANCE_ID_PATTERN } from './instance-id.ts';
import { PATTERNS } from './patterns.ts';
import type { NginxValues } from './values.ts';

/** Nothing of the client's goes on but what is named: a list of what to drop is never complete. */
const ALLOWED_HEADERS = `    proxy_http_version 1.1;
    proxy_pass_request_headers off;
    proxy_set_header Host              $host;
    proxy_set_header Connection        "";
    proxy_set_header Accept            $http_accept;
    proxy_set_header Accept-Encoding   $http_accept_encoding;
    proxy_set_header Accept-Language   $http_accept_language;
    proxy_set_header User-Agent        $http_user_agent;
    proxy_set_header X-Real-IP         $remote_addr;
    proxy_set_header X-Forwarded-For   $remote_addr;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header X-Request-ID      $request_id;
    proxy_hide_header Strict-Transport-Security;
    proxy_connect_timeout 2s;
    proxy_send_timeout 10s;
    proxy_read_timeout 15s;
    proxy_next_upstream error;
    proxy_next_upstream_tries 2;`;

/** Keeps browsers with TLS. A location that adds headers of its own drops those of its server, so there it stands again. */
export const STAY_WITH_TLS = 'add_header Strict-Transport-Security "max-age=31536000" always;';

const withTls = ({ tls }: NginxValues): string => (tls ? `    ${STAY_WITH_TLS}\n` : '');

export const PAGE_LOCATIONS = (
  values: NginxValues,
) => `  # ---- the chat page ----------------------------------------------------------------------------
  location = / { return 302 /portal/chat/; }
  location = /portal/chat { return 301 /portal/chat/$is_args$args; }
  location ~ "^${PATTERNS.pagePath}$" {
    if ($request_method !~ ^(?:GET|HEAD)$) { return 405; }
    client_max_body_size 1;
    error_page 502 503 504 @oc_page_away;
    proxy_intercept_errors on;         # a portal that is stopping says 503 itself
    proxy_pass http://oc_portal$uri$is_args$args;
    proxy_pass_request_body off;
    proxy_set_header Content-Length    "";
    proxy_set_header If-None-Match     $http_if_none_match;
    proxy_set_header If-Modified-Since $http_if_modified_since;
${ALLOWED_HEADERS}
  }
${pageAway(values)}
`;

function pageAway(values: NginxValues): string {
  const headers = Object.entries(AWAY_HEADERS).map(
    ([name, value]) => `    add_header ${name} "${value}" always;\n`,
  );
  return `  # What a browser is shown while the portal is down. The status stays what it was, since "error_page" above
  # has no "="; of the "return" only the text counts.
  location @oc_page_away {
    types { }                          # whatever the page's file is called
    default_type "${AWAY_TYPE}";
${headers.join('')}${withTls(values)}    return 200 '${AWAY_PAGE}';
  }
`;
}

export const API_LOCATIONS = (
  values: NginxValues,
) => `  # ---- the portal's public API ------------------------------------------------------------------
  # The portal gets the path as it was judged here, not as it was written.
  location ~ "^${PATTERNS.apiPath}$" {
    limit_req zone=oc_api burst=${values.limits.apiBurst} nodelay;
    error_page 429 = @oc_api_429;
    error_page 502 503 504 = @oc_api_503;
    proxy_pass http://oc_portal$uri$is_args$args;
    proxy_set_header Authorization     $http_authorization;
    proxy_set_header Content-Type      $http_content_type;
    proxy_set_header Origin            $http_origin;
    proxy_set_header Access-Control-Request-Method  $http_access_control_request_method;
    proxy_set_header Access-Control-Request-Headers $http_access_control_request_headers;
${ALLOWED_HEADERS}
  }
${API_ERRORS.map((error) => apiError(values, error)).join('')}
`;

/** What nginx says in the portal's place. */
const API_ERRORS = [
  {
    status: 429,
    retryAfter: 1,
    code: 'rate_limited',
    en: 'too many requests; wait a moment',
    zh: '请求过于频繁，请稍候再试',
  },
  {
    status: 503,
    retryAfter: 2,
    code: 'unavailable',
    en: 'the service is not reachable right now; try again',
    zh: '服务暂时不可用，请稍后再试',
  },
] as const;

function apiError(
  values: NginxValues,
  { status, retryAfter, code, en, zh }: (typeof API_ERRORS)[number],
): string {
  return `  location @oc_api_${status} {
    default_type application/json;
    add_header Access-Control-Allow-Origin $oc_cors_origin always;
    add_header Access-Control-Expose-Headers Retry-After always;
    add_header Vary Origin always;
    add_header Retry-After "${retryAfter}" always;
${withTls(values)}    return ${status} '{"error":{"code":"${code}","message":"${en}","message_zh":"${zh}"}}';
  }
`;
}

/** Statuses of a gateway that did not take the upgrade. 504 is its silence. */
const GATEWAY_ANSWERS =
  '300 301 302 303 307 308 400 401 402 403 404 405 406 408 409 410 411 413 414 415 421 422 426 429 431 500 501 502 503 505';

/** What the refusal service knows a reason for. */
const REFUSED = [401, 403, 404, 429, 502, 503, 504] as const;

export function socketLocations(values: NginxValues): string {
  return `${handshake(values)}${verify(values)}${admitted(values)}${tunnel(values)}${refusals()}`;
}

function handshake({ limits }: NginxValues): string {
  return `  # ---- a handshake: what can be judged without asking anybody ------------------------------------
  location ~ "^/oc-ws/(?<oc_instance_id>${INSTANCE_ID_PATTERN})$" {
    error_page 401 = @oc_refuse_401;
    error_page 403 = @oc_refuse_403;
    error_page 404 = @oc_refuse_404;
    error_page 429 = @oc_refuse_429;
    error_page 500 = @oc_refuse_503;   # auth_request makes 500 of anything but 2xx, 401 and 403

    if ($request_method != GET) { return 405; }
    if ($oc_is_websocket = 0)   { return 426; }
    if ($oc_origin_ok = 0)      { set $oc_deny origin_not_allowed; return 403; }
    if ($oc_backend = "")       { set $oc_deny instance_unknown; return 404; }
    if ($oc_token = "")         { set $oc_deny $oc_token_problem; return 401; }
    set $oc_verify_token $oc_token;    # inside the subrequest there are no arguments

    client_max_body_size 1;
    limit_req zone=oc_handshakes burst=${limits.handshakeBurst} nodelay;

    auth_request /_oc_verify;
    auth_request_set $oc_user        $upstream_http_x_user_id;
    auth_request_set $oc_instance    $upstream_http_x_instance_id;
    auth_request_set $oc_session_key $upstream_http_x_session_key;
    auth_request_set $oc_deny        $upstream_http_x_deny_reason;

    # An "if" of this location runs before auth_request, so what it set is judged in the next one.
    try_files /.none @oc_admitted;
  }
  location /oc-ws/ {
    error_page 404 = @oc_refuse_404;
    if ($request_method != GET) { return 405; }
    if ($oc_is_websocket = 0)   { return 426; }
    set $oc_deny instance_unknown;
    return 404;
  }

`;
}

function verify({ timeouts }: NginxValues): string {
  return `  location = /_oc_verify {
    internal;
    proxy_pass http://oc_portal/api/v1/internal/webchat/verify?token=$oc_verify_token&instance_id=$oc_instance_id;
    proxy_method GET;
    proxy_http_version 1.1;
    proxy_pass_request_headers off;
    proxy_pass_request_body off;
    proxy_set_header Content-Length  "";
    proxy_set_header Connection      "";
    proxy_set_header Host            $host;
    proxy_set_header X-Real-IP       $remote_addr;
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Request-ID    $request_id;
    include oc-gateway/portal-secret.conf;
    proxy_connect_timeout 1s;
    proxy_send_timeout 1s;
    proxy_read_timeout ${timeouts.verifyMs}ms;
    proxy_next_upstream error;         # a kept connection may just have gone stale
    proxy_next_upstream_tries 2;
  }

`;
}

function admitted({ limits }: NginxValues): string {
  return `  # ---- the portal said yes: but to what? --------------------------------------------------------
  location @oc_admitted {
    error_page 403 = @oc_refuse_403;
    error_page 429 = @oc_refuse_429;
    if ($oc_user_ok = 0)                 { set $oc_deny identity_invalid; return 403; }
    if ($oc_session_key_ok = 0)          { set $oc_deny identity_invalid; return 403; }
    if ($oc_instance != $oc_instance_id) { set $oc_deny instance_mismatch; return 403; }
    client_max_body_size 1;
    limit_conn oc_user ${limits.socketsPerUser};
    limit_conn oc_address ${limits.socketsPerAddress};
    try_files /.none @oc_gateway;
  }

`;
}

function tunnel({ timeouts, gatewaySecret, upstreams }: NginxValues): string {
  // Any process of a pool may be the one that serves a user; a single gateway has two addresses at the most.
  const tries = Math.max(2, ...Object.values(upstreams).map((pool) => pool.length));
  return `  # ---- the tunnel. Its errors are the gateway's, so they have a location of their own -------------
  location @oc_gateway {
    error_page ${GATEWAY_ANSWERS} = @oc_refuse_502;
    error_page 504 = @oc_refuse_504;
    proxy_intercept_errors on;
    proxy_pass http://$oc_backend/;    # no path, no query: the token stops here
    proxy_http_version 1.1;
    proxy_pass_request_body off;
    proxy_pass_request_headers off;
    proxy_set_header Host                     $host;
    proxy_set_header Upgrade                  websocket;
    proxy_set_header Connection               upgrade;
    proxy_set_header Origin                   $http_origin;
    proxy_set_header User-Agent               $http_user_agent;
    proxy_set_header Sec-WebSocket-Key        $http_sec_websocket_key;
    proxy_set_header Sec-WebSocket-Version    $http_sec_websocket_version;
    proxy_set_header Sec-WebSocket-Protocol   $http_sec_websocket_protocol;
    proxy_set_header Sec-WebSocket-Extensions $http_sec_websocket_extensions;
    proxy_set_header Content-Length           "";
    proxy_set_header X-User-ID                $oc_user;
    proxy_set_header X-Instance-ID            $oc_instance;
    proxy_set_header X-Session-Key            $oc_session_key;
    proxy_set_header X-Real-IP                $remote_addr;
    proxy_set_header X-Forwarded-For          $remote_addr;
    proxy_set_header X-Forwarded-Proto        $scheme;
    proxy_set_header X-Request-ID             $request_id;
${gatewaySecret ? '    include oc-gateway/gateway-secret.conf;\n' : ''}    client_max_body_size 1;
    # A gateway may stand on another's machine: it does not steer this one, nor leave cookies under its name.
    proxy_ignore_headers X-Accel-Redirect X-Accel-Expires X-Accel-Limit-Rate X-Accel-Buffering X-Accel-Charset;
    proxy_hide_header Set-Cookie;
    proxy_connect_timeout ${timeouts.gatewayConnectMs}ms;
    proxy_send_timeout 30s;
    proxy_read_timeout ${timeouts.readMs}ms;
    send_timeout 30s;
    proxy_socket_keepalive on;
    proxy_buffering off;
    proxy_buffer_size 16k;             # the tunnel's copy buffer, one for each direction
    proxy_buffers 4 16k;
    proxy_next_upstream error timeout http_503;
    proxy_next_upstream_tries ${tries};
    proxy_next_upstream_timeout 5s;
  }

`;
}

function refusals(): string {
  return REFUSED.map(
    (status) =>
      `  location @oc_refuse_${status} { set $oc_refused ${status}; include oc-gateway/refuse.conf; }\n`,
  ).join('');
}
