/** nginx.conf: the process around the site. */

import type { NginxValues } from './values.ts';

export function mainConf(values: NginxValues): string {
  // Two descriptors a connection that is forwarded, and some for logs and listeners.
  const descriptors = values.workerConnections * 2;
  return `# Rendered by \`oc-gateway nginx render\`: change the values and render again.

${values.unprivileged ? '' : `user ${values.user};\n`}worker_processes ${values.workers};
worker_rlimit_nofile ${descriptors};
pid ${values.unprivileged ? 'nginx.pid' : '/run/nginx.pid'};
error_log ${values.errorLog} notice;

# No worker_shutdown_timeout: a reload leaves live sockets to their old workers until they close.

events {
  worker_connections ${values.workerConnections};
}

http {
${values.unprivileged ? PRIVATE_FOLDERS : ''}  server_tokens off;
  tcp_nodelay on;
  default_type application/octet-stream;
  include conf.d/oc-gateway.conf;
}
`;
}

const PRIVATE_FOLDERS = `  client_body_temp_path tmp-body;
  proxy_temp_path       tmp-proxy;
  fastcgi_temp_path     tmp-fastcgi;
  uwsgi_temp_path       tmp-uwsgi;
  scgi_temp_path        tmp-scgi;
`;
