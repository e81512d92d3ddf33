/** The page's beginning: finds the portal, uses a ticket if there is one, and shows the rest. */

import { render } from 'preact';
import { forgetTicket, readAddress } from './address.ts';
import { createPortal, findPortal, type Portal } from './api.ts';
import { applyLanguage } from './i18n.ts';
import { storedTokens } from './sign-in.ts';
import { applyTheme } from './theme.ts';
import { App } from './ui/app.tsx';

async function begin(place: HTMLElement): Promise<void> {
  applyTheme();
  applyLanguage();
  const address = readAddress();
  if (address.ticket !== undefined) forgetTicket();
  // Everything is shown before this is known; only requests wait for it.
  const portal = createPortal(findPortal());
  const badTicket = address.ticket !== undefined && !(await enter(portal, address.ticket));
  // The shell goes in the moment in which what it stood for comes.
  delete document.documentElement.dataset['shell'];
  place.replaceChildren();
  render(<App portal={portal} address={address} badTicket={badTicket} />, place);
}

/**
 * False if the ticket is no good. Whoever is signed in stays so: else a link could put somebody into another's
 * account without their knowing, and read there what they write.
 */
async function enter(portal: Portal, ticket: string): Promise<boolean> {
  const signedIn = storedTokens() !== undefined && (await works(portal.instances()));
  return signedIn || works(portal.loginWithTicket(ticket));
}

function works(attempt: Promise<unknown>): Promise<boolean> {
  return attempt.then(
    () => true,
    () => false,
  );
}

const place = document.getElementById('page');
if (place) void begin(place);
