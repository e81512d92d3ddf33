/** What the first paint depends on: read from this device alone, before most of the page is loaded. */

import { readSetting, type Shelf } from './storage.ts';
import { list, text } from './wire.ts';

/** Light, dark, or as the system says. */
export type Theme = 'auto' | 'light' | 'dark';

export function storedTheme(): Theme {
  const set = readSetting('theme');
  return set === 'light' || set === 'dark' ? set : 'auto';
}

/** Key of the conversation that was open last. */
export function lastOpened(shelf: Shelf): string | undefined {
  return text(shelf.read('open'));
}

/** Nothing was kept on this device: most likely a first visit, which begins with a greeting. */
export function isFirstVisit(shelf: Shelf): boolean {
  return lastOpened(shelf) === undefined && list(shelf.read('sessions')).length === 0;
}
