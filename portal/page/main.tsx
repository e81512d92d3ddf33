/** The page's beginning: finds the portal, uses a ticket if there is one, and shows the rest. */

import { render } from 'preact';
import { readAddress } from './address.ts';
import { createPortal, findPortal } from './api.ts';
import { applyLanguage } from './i18n.ts';
import { applyTheme } from './theme.ts';
import { App } from './ui/app.tsx';

async function begin(place: HTMLElement): Promise<void> {
  applyTheme();
  applyLanguage();
  const address = readAddress();
  // Everything is shown before this is known; only requests wait for it.
  const portal = createPortal(findPortal());
  let badTicket = false;
  if (address.ticket !== undefined) {
    badTicket = await portal.loginWithTicket(address.ticket).then(
      () => false,
      () => true,
    );
  }
  render(<App portal={portal} address={address} badTicket={badTicket} />, place);
}

const place = document.getElementById('page');
if (place) void begin(place);
