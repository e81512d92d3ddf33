/**
 * What a browser is shown in place of the chat page while the portal is down: in nginx's configuration, and by the
 * development edge. It needs nothing but itself, since there is nobody to give it more.
 */

import { createHash } from 'node:crypto';

/** Seconds after which the browser asks again. */
const AGAIN_SECONDS = 3;

const STYLE =
  'body{max-width:32rem;margin:25vh auto 0;padding:0 1.5rem;font:1rem/1.6 system-ui,sans-serif}';
const STYLE_HASH = createHash('sha256').update(STYLE).digest('base64');

/** Whoever reads the page again gets the chat as soon as it is there, so nobody may keep this. */
export const AWAY_HEADERS = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy': `default-src 'none'; style-src 'sha256-${STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
};

export const AWAY_TYPE = 'text/html; charset=utf-8';

/**
 * In both languages, for only the chat page knows which one its user chose. Chromium takes the refresh of an address with a
 * fragment, as a sign-in link's, for a jump within this page, and loads nothing: hence the word about reloading, which
 * keeps the ticket. nginx quotes all of it, so it has no apostrophe and no dollar.
 */
export const AWAY_PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="refresh" content="${AGAIN_SECONDS}">
<title>Chat</title>
<style>${STYLE}</style>
<p>The chat is not available for a moment. This page tries again by itself; if it does not, reload it.</p>
<p lang="zh-CN">聊天暂时不可用，本页面会自动重试；如果没有恢复，请刷新页面。</p>
</html>
`;
