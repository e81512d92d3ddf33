/**
 * Runs before the first paint: gives the document the chosen colours, and shows the shell in index.html if
 * what the page will draw looks like it. Where somebody has to sign in first, or choose, it would not.
 */

import { readAddress } from './address.ts';
import { isFirstVisit, storedTheme } from './first-paint.ts';
import { signedInUser } from './sign-in.ts';
import { openShelf } from './storage.ts';

const { dataset } = document.documentElement;
dataset['theme'] = storedTheme();
const user = signedInUser();
const { instanceId, ticket } = readAddress();
if (user && instanceId !== undefined && ticket === undefined) {
  dataset['shell'] = isFirstVisit(openShelf(user.id, instanceId)) ? 'first-visit' : 'return';
}
