/** The composition root: makes the parts and hands them to each other. */

import { createAccessTokens } from './auth/access-tokens.ts';
import { createPasswordChecker } from './auth/passwords.ts';
import { createSignIn } from './auth/sign-in.ts';
import type { PortalConfig } from './config-schema.ts';
import { createApp } from './http/app.ts';
import { listen } from './http/listen.ts';
import type { Logger } from './log.ts';
import { type RevocationTiming, startRevocations } from './revocation.ts';
import { openStore, type Store } from './store/store.ts';
import { createWebchatSessions } from './webchat/create.ts';
import { createVerifier } from './webchat/verify.ts';

export interface Portal {
  readonly host: string;
  /** The one it listens on, also where 0 was asked for. */
  readonly port: number;
  /** Ends after the requests under way, or when their grace is over. */
  stop(): Promise<void>;
}

export interface PortalOptions {
  readonly config: PortalConfig;
  readonly host: string;
  readonly port: number;
  /** Where the built chat page is. */
  readonly pageDir: string;
  readonly log: Logger;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
  /** Milliseconds that requests under way have to end when it stops. */
  readonly stopGraceMs?: number;
  readonly revocationTiming?: Partial<RevocationTiming>;
}

/** A client that sends its request byte by byte must not hold up a restart. */
const STOP_GRACE_MS = 3_000;
/** How often what has expired is dropped, in milliseconds. */
const SWEEP_MS = 60_000;
/** What has expired is kept this long, in milliseconds, so that its owner is told that it expired. */
const KEEP_EXPIRED_MS = 3_600_000;

/** @throws {DatabaseFileError} if the database cannot be used; an error that says what to do if its address cannot be had. */
export async function startPortal(options: PortalOptions): Promise<Portal> {
  const { config, log, now = Date.now, stopGraceMs = STOP_GRACE_MS } = options;
  const store = openStore(config.database);
  try {
    const accessTokens = createAccessTokens({
      secret: config.jwtSecret,
      lifeSeconds: config.tokens.accessSeconds,
      now,
    });
    const passwords = await createPasswordChecker();
    const app = await createApp({
      config,
      store,
      signIn: createSignIn({ store, passwords, accessTokens, lives: config.tokens, now }),
      accessTokens,
      createSession: createWebchatSessions({
        store,
        webchatSeconds: config.tokens.webchatSeconds,
        now,
      }),
      verify: createVerifier({ store, reuseSeconds: config.tokens.reuseSeconds, now }),
      pageDir: options.pageDir,
      now,
      log,
    });
    await listen(app, options);
    const revocations = startRevocations({
      store,
      gateways: config.gateways,
      giveUpMs: config.tokens.refreshSeconds * 1000,
      now,
      log,
      ...(options.revocationTiming && { timing: options.revocationTiming }),
    });
    const sweeper = setInterval(() => sweep(store, now(), log), SWEEP_MS);
    const [address] = app.addresses();
    return {
      host: options.host,
      port: typeof address === 'object' ? address.port : options.port,
      async stop() {
        clearInterval(sweeper);
        const grace = setTimeout(() => app.server.closeAllConnections(), stopGraceMs);
        await app.close();
        clearTimeout(grace);
        await revocations.stop();
        store.close();
      },
    };
  } catch (error) {
    store.close();
    throw error;
  }
}

/**
 * Traded refresh tokens are dropped after this long, in milliseconds: a page trades every quarter of
 * an hour, so they must not pile up. One that returns later is known by the login that it names.
 */
const KEEP_USED_MS = 86_400_000;

function sweep(store: Store, at: number, log: Logger): void {
  try {
    store.webchatTokens.forget(at - KEEP_EXPIRED_MS);
    store.logins.forget({ expired: at - KEEP_EXPIRED_MS, used: at - KEEP_USED_MS });
  } catch (error) {
    // Another process may hold the file; the next sweep takes it along.
    log.warn({ event: 'sweep_failed', error: error instanceof Error ? error.message : 'unknown' });
  }
}
