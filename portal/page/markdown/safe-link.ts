/** Which addresses of an answer become links, and which pictures are shown. */

const OPENED = new Set(['http:', 'https:', 'mailto:']);

/** The address in its normal form, or nothing if it is not one that a link may have. */
export function safeLink(href: string): string | undefined {
  const url = URL.parse(href);
  return url && OPENED.has(url.protocol) ? url.href : undefined;
}

/** Pictures that are in the answer itself: the page loads nothing from elsewhere. */
export function safeImage(href: string): string | undefined {
  return /^data:image\/(?:png|jpeg|gif|webp|avif);base64,[A-Za-z0-9+/=]+$/.test(href) ||
    href.startsWith('blob:')
    ? href
    : undefined;
}
