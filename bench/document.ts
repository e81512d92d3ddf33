/** Keeps docs/performance.md true: some of its sections are what the last run printed. */

import { readFileSync, writeFileSync } from 'node:fs';
import { script } from './processes.ts';
import { type Table, targetsToMarkdown, toMarkdown } from './table.ts';

const FILE = script('..', 'docs', 'performance.md');

/** The last full run. */
export function documentRun(machine: string, tables: readonly Table[]): void {
  writeSection('The last full run', [
    `${machine}.`,
    targetsToMarkdown(tables),
    ...tables.map(toMarkdown),
  ]);
}

/** Those of the last sweep; its pictures stand beside the page. */
export function documentSlopes(machine: string, tables: readonly Table[]): void {
  writeSection('The slopes', [`${machine}.`, ...tables.map(toMarkdown)]);
}

function writeSection(heading: string, paragraphs: readonly string[]): void {
  const text = readFileSync(FILE, 'utf8');
  writeFileSync(FILE, withSection(text, heading, paragraphs.join('\n\n')));
}

/** Replaces what stands below a heading of the second level, up to the next one. */
export function withSection(text: string, heading: string, content: string): string {
  const start = `## ${heading}\n`;
  const [before, after, ...more] = text.split(start);
  if (before === undefined || after === undefined || more.length > 0) {
    throw new Error(`there must be one "${start.trim()}"`);
  }
  const next = after.indexOf('\n## ');
  return `${before}${start}\n${content}\n${next === -1 ? '' : after.slice(next)}`;
}
