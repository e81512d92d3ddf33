/** docs/portal-contract.md says what the code does: codes, reasons and keys, both ways. */

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadPortalConfig } from '../../portal/config.ts';
import { portalSchema } from '../../portal/config-schema.ts';
import { ApiError, ERROR_CODES, type ErrorCode } from '../../portal/http/errors.ts';
import { DENY_REASONS } from '../../portal/webchat/verify.ts';
import { temporaryFolder } from './support/portal.ts';

const text = await readFile(
  join(import.meta.dirname, '..', '..', 'docs', 'portal-contract.md'),
  'utf8',
);

/** The rows of the table under this header, as their cells. */
function rows(header: string): string[][] {
  const after = text.slice(text.indexOf(header)).split('\n').slice(2);
  const end = after.findIndex((line) => !line.startsWith('|'));
  return after.slice(0, end).map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

const bare = (cell = '') => cell.replaceAll('`', '');

test("the table of errors is the code's, with its statuses", () => {
  const documented = rows('| code | status |').map(([code, status]) => `${bare(code)} ${status}`);
  const isCode = (code: string): code is ErrorCode => ERROR_CODES.includes(code);
  const real = ERROR_CODES.filter(isCode).map((code) => `${code} ${new ApiError(code).status}`);
  expect(documented).toEqual(real);
});

test("the table of deny reasons is the code's", () => {
  const documented = rows('| reason | when |').map(([reason]) => bare(reason));
  expect(documented.toSorted()).toEqual([...DENY_REASONS].toSorted());
});

test("the table of keys is the schema's", () => {
  const { $schema: _, ...properties } = portalSchema.properties;
  const keys = Object.entries(properties).flatMap(([key, value]) =>
    'properties' in value ? Object.keys(value.properties).map((inner) => `${key}.${inner}`) : [key],
  );
  const documented = rows('| key | what it is |').flatMap(([key]) => bare(key).split(', '));
  expect(documented).toEqual(keys);
});

test('the sample loads', async () => {
  const sample = /"listen"[\s\S]*?\n\}/.exec(text)?.[0] ?? '';
  const path = join(await temporaryFolder(), 'portal.json');
  await writeFile(path, `{${sample}`);
  const secret = 's'.repeat(32);
  const env = {
    OC_PORTAL_JWT_SECRET: secret,
    OC_PORTAL_INTERNAL_SECRET: secret,
    OC_GATEWAY_ADMIN_TOKEN: secret,
  };
  expect(loadPortalConfig({ path, env })).toMatchObject({ ok: true });
});
