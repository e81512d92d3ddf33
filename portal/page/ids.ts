/** Random ids; `crypto.randomUUID` is missing where a page is served over plain HTTP from another host. */

export function newId(): string {
  if ('randomUUID' in crypto) return crypto.randomUUID();
  const bytes = webCrypto().getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function webCrypto(): Crypto {
  return globalThis.crypto;
}
