/** The page's colours: as the system says, unless the user chose. */

import { effect, signal } from '@preact/signals';
import { storedTheme, type Theme } from './first-paint.ts';
import { writeSetting } from './storage.ts';

const chosen = signal<Theme>(storedTheme());

export const theme = chosen;

export function chooseTheme(wanted: Theme): void {
  chosen.value = wanted;
  writeSetting('theme', wanted);
}

/** Keeps the document in the chosen colours from now on. */
export function applyTheme(): void {
  effect(() => {
    document.documentElement.dataset['theme'] = chosen.value;
  });
}
