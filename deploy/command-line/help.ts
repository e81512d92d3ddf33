/** The part of a program's help that is about the command that was named. */

/**
 * `help` has a line `Usage:`, and below it lines that begin with two spaces and the program's name, each with the
 * lines that go on with it; a word may stand for several: `users disable|enable ID`. Without words, or with some that
 * are no command's, it is all of it.
 */
export function helpOn(
  { name, help }: { readonly name: string; readonly help: string },
  words: readonly string[],
): string {
  if (words.length === 0) return help;
  const usage = usageIn(help, name);
  const family = usage.filter(({ tokens }) => isOne(tokens[0], words[0]));
  const exact = family.filter(({ tokens }) => isOne(tokens[1], words[1]));
  const found = exact.length > 0 ? exact : family;
  if (found.length === 0) return help;
  const lines = found.map(({ text }) => text).join('\n');
  return `Usage:\n${lines}\n\nAll commands, and where the configuration comes from: ${name} --help\n`;
}

function usageIn(help: string, name: string): { text: string; tokens: string[] }[] {
  const begin = `  ${name} `;
  const usage: { text: string; tokens: string[] }[] = [];
  for (const line of help.split('\n')) {
    if (line.startsWith(begin)) {
      usage.push({ text: line, tokens: line.slice(begin.length).split(/\s+/) });
      continue;
    }
    const last = usage.at(-1);
    // What goes on is indented deeper than a command.
    if (last && line.startsWith('   ')) last.text += `\n${line}`;
  }
  return usage;
}

function isOne(token: string | undefined, word: string | undefined): boolean {
  return word !== undefined && token !== undefined && token.split('|').includes(word);
}
