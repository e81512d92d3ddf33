/** Answers of one kind of block each, cut into tokens of about four characters, as models cut them. */

export const TOKENS = 2_000;
export const TOKEN_MS = 10;

type Kind = 'mixed' | 'paragraph' | 'list' | 'table' | 'code' | 'quote';

const WORDS =
  'the page draws what is new and leaves alone what stands already so that a long answer costs no more at its end than at its beginning'.split(
    ' ',
  );

function words(count: number, from: number): string {
  return Array.from({ length: count }, (_, at) => WORDS[(from + at) % WORDS.length]).join(' ');
}

/** One piece of each kind; repeated until there are enough tokens. */
const PIECES: Readonly<Record<Exclude<Kind, 'mixed'>, (at: number) => string>> = {
  paragraph: (at) => `${words(9, at)}, **${words(2, at)}** and \`${words(1, at)}\`. `,
  list: (at) => `- ${words(8, at)} *${words(2, at)}*\n`,
  table: (at) =>
    at === 0
      ? '| name | value | remark |\n|---|---:|---|\n'
      : `| ${words(3, at)} | ${at * 37} | **${words(1, at)}** ${words(4, at)} |\n`,
  code: (at) =>
    at === 0
      ? '```typescript\n'
      : `const value${at} = await read('${words(2, at)}', { at: ${at} }); // ${words(4, at)}\n`,
  quote: (at) => `> ${words(10, at)} **${words(1, at)}**\n`,
};

function ofKind(kind: Exclude<Kind, 'mixed'>, chars: number): string {
  let text = '';
  for (let at = 0; text.length < chars; at += 1) text += PIECES[kind](at);
  return text;
}

/** What an answer usually is: some of everything. */
function mixed(chars: number): string {
  const part = () =>
    [
      `## ${words(4, 0)}`,
      ofKind('paragraph', 500),
      ofKind('list', 300),
      ofKind('table', 400),
      `${ofKind('code', 600)}\`\`\``,
      ofKind('quote', 150),
    ].join('\n\n');
  let text = '';
  while (text.length < chars) text += `${part()}\n\n`;
  return text;
}

export const KINDS: readonly Kind[] = ['mixed', 'paragraph', 'list', 'table', 'code', 'quote'];

/** `TOKENS` tokens of one kind. */
export function tokensOf(kind: Kind): string[] {
  const chars = TOKENS * 4;
  const text = kind === 'mixed' ? mixed(chars) : ofKind(kind, chars);
  return Array.from({ length: TOKENS }, (_, at) => text.slice(at * 4, at * 4 + 4));
}
