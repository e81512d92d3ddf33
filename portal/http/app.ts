/** The HTTP side, put together: limits, headers, errors, the log, and the routes. */

import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import cors from '@fastify/cors';
import helmet from '@fastify/helmet';
import rateLimit from '@fastify/rate-limit';
import fastify, { type FastifyInstance, type FastifyRequest } from 'fastify';
import type { AccessTokens } from '../auth/access-tokens.ts';
import type { SignIn } from '../auth/sign-in.ts';
import type { PortalConfig } from '../config-schema.ts';
import type { Logger } from '../log.ts';
import type { Store } from '../store/store.ts';
import type { createWebchatSessions } from '../webchat/create.ts';
import type { createVerifier } from '../webchat/verify.ts';
import { authRoutes } from './auth-routes.ts';
import { createBearer } from './bearer.ts';
import { ApiError, errorBody, fromFramework } from './errors.ts';
import { internalRoutes, requestId } from './internal-routes.ts';
import { createLimits } from './limits.ts';
import { meRoutes } from './me-routes.ts';
import { pageRoutes } from './page.ts';
import { securityHeaders } from './security-headers.ts';

export interface AppParts {
  readonly config: PortalConfig;
  readonly store: Store;
  readonly signIn: SignIn;
  readonly accessTokens: AccessTokens;
  readonly createSession: ReturnType<typeof createWebchatSessions>;
  readonly verify: ReturnType<typeof createVerifier>;
  readonly pageDir: string;
  readonly now: () => number;
  readonly log: Logger;
}

/** Bytes; the largest right request is a refresh. */
const BODY_LIMIT = 16 * 1024;
/** Milliseconds that a client has for sending a whole request. */
const REQUEST_TIMEOUT_MS = 30_000;

export async function createApp(parts: AppParts): Promise<FastifyInstance> {
  const { config, log } = parts;
  const { trustedProxies } = config;
  const app = fastify({
    logger: false,
    bodyLimit: BODY_LIMIT,
    requestTimeout: REQUEST_TIMEOUT_MS,
    exposeHeadRoutes: false,
    trustProxy: trustedProxies.length > 0 ? [...trustedProxies] : false,
    forceCloseConnections: 'idle',
    clientErrorHandler: refuseBytes,
    // An address that is not even one has no route, hence no error handler.
    frameworkErrors: (error, _request, reply) => {
      const answer = fromFramework(error);
      reply.raw.writeHead(answer.status, {
        'content-type': 'application/json; charset=utf-8',
        'cache-control': 'no-store',
      });
      reply.raw.end(JSON.stringify(errorBody(answer)));
    },
  });
  app.removeAllContentTypeParsers();
  const parseJson = app.getDefaultJsonParser('error', 'error');
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body === '') done(null, undefined);
    else void parseJson(request, String(body), done);
  });
  answerErrors(app, log);
  logRequests(app, log);
  app.get('/healthz', { exposeHeadRoute: true }, () => ({ status: 'ok' }));
  app.get('/readyz', { exposeHeadRoute: true }, (_request, reply) => {
    const ready = parts.store.isWritable(parts.now());
    void reply.code(ready ? 200 : 503).send({ status: ready ? 'ok' : 'unavailable' });
  });
  // Only nginx asks, for every handshake: without what browsers need.
  await app.register(
    async (internal) =>
      internalRoutes(internal, { ...parts, internalSecret: config.internalSecret }),
    {
      prefix: '/api/v1/internal',
    },
  );
  await app.register(async (scope) => publicRoutes(scope, parts, app));
  return app;
}

async function publicRoutes(
  app: FastifyInstance,
  parts: AppParts,
  root: FastifyInstance,
): Promise<void> {
  const { config, store } = parts;
  await app.register(helmet, securityHeaders(config));
  answerNotFound(app, root);
  await app.register(async (page) =>
    pageRoutes(page, { pageDir: parts.pageDir, apiBase: config.apiBase }),
  );
  await app.register(
    async (api) => {
      await api.register(cors, {
        origin: [...config.allowedOrigins],
        methods: ['GET', 'POST'],
        allowedHeaders: ['Authorization', 'Content-Type'],
        exposedHeaders: ['Retry-After'],
        maxAge: 600,
        // Its refusal would be no row of our table.
        strictPreflight: false,
      });
      await api.register(rateLimit, { global: false });
      api.addHook('onSend', async (_request, reply) => {
        reply.header('Cache-Control', 'no-store');
      });
      answerNotFound(api, root);
      const limits = createLimits(api, config.limits);
      const bearer = createBearer(store, parts.accessTokens, parts.now);
      const { accessSeconds } = config.tokens;
      await api.register(
        async (auth) => authRoutes(auth, { signIn: parts.signIn, limits, bearer, accessSeconds }),
        { prefix: '/auth' },
      );
      await api.register(
        async (me) =>
          meRoutes(me, {
            store,
            bearer,
            limits,
            createSession: parts.createSession,
            publicWsBase: config.publicWsBase,
          }),
        { prefix: '/me' },
      );
    },
    { prefix: '/api/v1' },
  );
}

function answerErrors(app: FastifyInstance, log: Logger): void {
  app.setErrorHandler((error, request, reply) => {
    const answer = fromFramework(error);
    if (answer.status >= 500) {
      log.error({
        event: 'request_failed',
        method: request.method,
        path: pathOf(request),
        error: error instanceof Error ? `${error.name}: ${error.message}` : 'unknown',
      });
    }
    if (answer.retryAfter !== undefined) reply.header('Retry-After', String(answer.retryAfter));
    return reply.code(answer.status).send(errorBody(answer));
  });
}

/** In `scope`, with its headers; what there is instead is looked for in `root`. */
function answerNotFound(scope: FastifyInstance, root: FastifyInstance): void {
  scope.setNotFoundHandler((request, reply) => {
    const allowed = (['GET', 'POST'] as const).filter(
      (method) => method !== request.method && root.findRoute({ method, url: pathOf(request) }),
    );
    const answer = new ApiError(allowed.length > 0 ? 'method_not_allowed' : 'not_found');
    if (allowed.length > 0) reply.header('Allow', allowed.join(', '));
    return reply.code(answer.status).send(errorBody(answer));
  });
}

/** Bytes that are no request, or not all of one in time: there is neither route nor reply yet. */
function refuseBytes(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const tooLarge = error.code === 'HPE_HEADER_OVERFLOW';
  const answer = new ApiError(tooLarge ? 'payload_too_large' : 'bad_request');
  const body = JSON.stringify(errorBody(answer));
  socket.end(
    `HTTP/1.1 ${answer.status} ${STATUS_CODES[answer.status] ?? ''}\r\n` +
      'Content-Type: application/json; charset=utf-8\r\nCache-Control: no-store\r\n' +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}

/** Without the query string, which may hold a token. */
function pathOf(request: FastifyRequest): string {
  return (request.url.split('?', 1)[0] ?? '').slice(0, 200);
}

function logRequests(app: FastifyInstance, log: Logger): void {
  app.addHook('onResponse', (request, reply, done) => {
    const route = request.routeOptions.url;
    const quiet =
      route === '/healthz' || route === '/readyz' || route?.startsWith('/api/v1/internal/');
    const level = quiet ? 'debug' : 'info';
    // Most of the time nobody reads them: do not build the line.
    if (log.isLevelEnabled(level)) {
      log[level]({
        event: 'request',
        method: request.method,
        path: pathOf(request),
        status: reply.statusCode,
        ms: Math.round(reply.elapsedTime * 1000) / 1000,
        address: request.ip,
        ...requestId(request),
      });
    }
    done();
  });
}
