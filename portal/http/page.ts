/** The chat page's files, and the one address that the page is told. */

import fastifyStatic from '@fastify/static';
import type { FastifyInstance } from 'fastify';

export interface PageParts {
  readonly pageDir: string;
  readonly apiBase: string;
}

/** Names under assets/ carry a hash of their content, so they never change. */
const FOREVER = 'public, max-age=31536000, immutable';
const ASK_AGAIN = 'no-cache';

export async function pageRoutes(app: FastifyInstance, parts: PageParts): Promise<void> {
  app.get('/portal/chat', (request, reply) => {
    const query = request.url.indexOf('?');
    const search = query === -1 ? '' : request.url.slice(query);
    void reply.redirect(`/portal/chat/${search}`, 301);
  });
  app.get('/portal/chat/config.json', (_request, reply) => {
    void reply.header('Cache-Control', ASK_AGAIN).send({ api_base: parts.apiBase });
  });
  await app.register(fastifyStatic, {
    root: parts.pageDir,
    prefix: '/portal/chat/',
    cacheControl: false,
    dotfiles: 'ignore',
    suppressWarning: true,
    setHeaders: (response, path) => {
      const asset = /[\\/]assets[\\/][^\\/]+$/.test(path);
      response.header('Cache-Control', asset ? FOREVER : ASK_AGAIN);
    },
  });
}
