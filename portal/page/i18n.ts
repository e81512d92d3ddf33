/** The page's language: what the browser prefers, unless the user chose. */

import { computed, effect, signal } from '@preact/signals';
import { readSetting, writeSetting } from './storage.ts';
import { en, type Texts } from './text-en.ts';
import { zh } from './text-zh.ts';

export type Language = 'en' | 'zh';

const chosen = signal<Language>(firstLanguage());

export const language = computed(() => chosen.value);

/** The texts of the page's language. */
export const texts = computed<Texts>(() => (chosen.value === 'zh' ? zh : en));

export function chooseLanguage(wanted: Language): void {
  chosen.value = wanted;
  writeSetting('language', wanted);
}

/** Keeps the document's language in step, for screen readers and for the choice of fonts. */
export function applyLanguage(): void {
  effect(() => {
    document.documentElement.lang = chosen.value === 'zh' ? 'zh-CN' : 'en';
  });
}

function firstLanguage(): Language {
  const set = readSetting('language');
  if (set === 'en' || set === 'zh') return set;
  return navigator.language.toLowerCase().startsWith('zh') ? 'zh' : 'en';
}
