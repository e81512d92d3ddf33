import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { EVENTS, METHODS } from '../../../gateway/methods/registry.ts';
import { CLOSES, FOREIGN_CLOSES } from '../../../gateway/protocol/close-codes.ts';
import { DETAIL_CODES, ERROR_CODES } from '../../../gateway/protocol/errors.ts';
import { AUTH_REASONS } from '../../../gateway/trust/refusals.ts';

const docs = readFileSync(new URL('../../../docs/protocol.md', import.meta.url), 'utf8');

/** The rows of the one table with this header, cells without code marks. */
function table(header: string): string[][] {
  const lines = docs.split('\n');
  const start = lines.indexOf(header);
  expect(start, `no table "${header}"`).toBeGreaterThan(-1);
  const rest = lines.slice(start + 2);
  const rows = rest.slice(
    0,
    rest.findIndex((line) => !line.startsWith('|')),
  );
  return rows.map((row) =>
    row
      .slice(2, -2)
      .split(' | ')
      .map((cell) => cell.replace(/^`([^`]*)`$/, '$1')),
  );
}

const inOrder = (names: readonly string[]) => names.toSorted((a, b) => a.localeCompare(b));
const yesNo = (value: boolean) => (value ? 'yes' : 'no');

describe('docs/protocol.md lists exactly', () => {
  it('the error codes', () => {
    expect(table('| code | meaning | when | retryable |')).toEqual(
      Object.entries(ERROR_CODES).map(([code, row]) => [
        code,
        row.meaning,
        row.when,
        yesNo(row.retryable),
      ]),
    );
  });

  it('the detail codes', () => {
    expect(table('| detail code | code | when | retryable |')).toEqual(
      Object.entries(DETAIL_CODES).map(([detail, row]) => [
        detail,
        row.code,
        row.when,
        yesNo(row.retryable),
      ]),
    );
  });

  it('the closes', () => {
    expect(table('| code | reason | when | reconnect |')).toEqual(
      Object.values(CLOSES).map((row) => [
        String(row.code),
        row.reason,
        row.when,
        yesNo(row.reconnect),
      ]),
    );
    expect(table('| code | when |')).toEqual(
      Object.values(FOREIGN_CLOSES).map((row) => [String(row.code), row.when]),
    );
  });

  it('the methods with their scopes', () => {
    const documented = table('| method | scope | params → payload |').map(
      ([name, scope]) => `${name} ${scope}`,
    );
    const served = [...METHODS.values()].map(({ name, scope }) => `${name} ${scope}`);
    expect(inOrder(documented)).toEqual(inOrder(served));
  });

  it('the events', () => {
    const documented = table('| event | payload | to |').map(([name]) => String(name));
    expect(inOrder(documented)).toEqual(inOrder(EVENTS));
  });
});

it('docs/protocol.md names every `authReason` that can be sent, and no other', () => {
  const documented = new Set(docs.match(/trusted_proxy_[a-z_]+/g));
  expect(documented).toEqual(new Set(Object.values(AUTH_REASONS)));
});
