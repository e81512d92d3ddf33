/** Builds the page into `dist/`: static files that any server can hand out under /portal/chat/. */

import { join } from 'node:path';
import { rolldown } from 'rolldown';
import { defineConfig, type Plugin } from 'vite';

const BASE = '/portal/chat/';

/** Every browser that runs this page reads woff2; the older forms would triple the folder. */
const woff2Only: Plugin = {
  name: 'woff2-only',
  enforce: 'pre',
  transform(code, id) {
    if (!id.includes('katex') || !id.endsWith('.css')) return null;
    return code.replaceAll(/,url\([^)]+\.(?:woff|ttf)\) format\("(?:woff|truetype)"\)/g, '');
  },
};

/**
 * shell.ts decides what is painted first. A module runs after that at best, so this is a script of the old kind,
 * in one file, and before the style sheet: a script behind one waits for it.
 */
const shellScript: Plugin = {
  name: 'shell-script',
  async buildStart() {
    const bundle = await rolldown({
      input: join(import.meta.dirname, 'shell.ts'),
      platform: 'browser',
    });
    const { output } = await bundle.generate({ format: 'iife', minify: true });
    await bundle.close();
    this.emitFile({ type: 'asset', name: 'shell.js', source: output[0].code });
  },
  transformIndexHtml: {
    order: 'post',
    handler(html, { bundle = {} }) {
      const address = (name: string) => {
        const found = Object.keys(bundle).find((path) => path.startsWith(`assets/${name}-`));
        if (found === undefined) throw new Error(`${name} was not built`);
        return BASE + found;
      };
      return {
        html,
        tags: [
          { tag: 'script', attrs: { src: address('shell') }, injectTo: 'head-prepend' },
          // It comes while boot.ts waits, and not only when it asks.
          {
            tag: 'link',
            attrs: { rel: 'modulepreload', crossorigin: true, href: address('main') },
            injectTo: 'head',
          },
        ],
      };
    },
  },
};

export default defineConfig({
  root: import.meta.dirname,
  base: BASE,
  plugins: [woff2Only, shellScript],
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    target: 'es2022',
    outDir: 'dist',
    emptyOutDir: true,
    // The content security policy allows fonts and scripts from files only.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
});
