/** Folders in places that an operator names. */

import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { makeFolder } from '../../deploy/files/folder.ts';

function somewhere(): string {
  const folder = mkdtempSync(join(tmpdir(), 'oc-folder-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

const mode = (path: string) => statSync(path).mode & 0o777;

test('makes all that is missing, each with its mode, and leaves what is there', () => {
  const there = join(somewhere(), 'there');
  mkdirSync(there);
  chmodSync(there, 0o751);
  const folder = join(there, 'a', 'b');
  makeFolder(folder, 0o700);
  makeFolder(folder, 0o755);
  expect([there, dirname(folder), folder].map(mode)).toEqual([0o751, 0o700, 0o700]);
});

test('says what the system says where none can be made', () => {
  const file = join(somewhere(), 'file');
  writeFileSync(file, '');
  const code = (path: string) => {
    try {
      makeFolder(path, 0o700);
    } catch (error) {
      return error instanceof Error && 'code' in error ? error.code : error;
    }
  };
  expect(code(file)).toBe('EEXIST');
  expect(code(join(file, 'a', 'b'))).toBe('ENOTDIR');
  expect(code('/proc/nowhere')).toBe('ENOENT');
  expect(code('/proc/nowhere/a/b')).toBe('ENOENT');
});
