/** Light, dark, or as the system says. */

import { effect, signal } from '@preact/signals';
import { readSetting, writeSetting } from './storage.ts';

export type Theme = 'auto' | 'light' | 'dark';

const chosen = signal<Theme>(firstTheme());

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

function firstTheme(): Theme {
  const set = readSetting('theme');
  return set === 'light' || set === 'dark' ? set : 'auto';
}
