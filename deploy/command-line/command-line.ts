/** What the programs' command lines have in common: which command is meant, its help, and what is wrong with the rest. */

import { helpOn } from './help.ts';

export interface Output {
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown };
}

export interface Command<Io, Flags> {
  readonly flags: readonly (keyof Flags & string)[];
  /** What the words after the command are called; all must be there. */
  readonly words: readonly string[];
  /** Any number of words may follow. */
  readonly more?: boolean;
  /** Not for people, and so not suggested to them. */
  readonly internal?: boolean;
  run(io: Io, flags: Flags, words: readonly string[]): Promise<number>;
}

/** As `parseArgs` gives it. */
interface Parsed<Flags> {
  readonly values: Flags & { help?: boolean; version?: boolean };
  readonly positionals: readonly string[];
}

export interface Program<Io, Flags> {
  readonly name: string;
  readonly version: string;
  /** See `helpOn` for its form. */
  readonly help: string;
  /** By their one or two words: `serve`, `db check`. */
  readonly commands: Readonly<Record<string, Command<Io, Flags> | undefined>>;
  /** What is run when no command is named. */
  readonly usual: string;
  /** Flags that clear something with an empty value. Of others it is a variable of a script that is not set. */
  readonly mayBeEmpty?: readonly (keyof Flags & string)[];
  /** Throws what `parseArgs` does. */
  parse(args: readonly string[]): Parsed<Flags>;
}

/** Many look for it as a command. */
const HELP = 'help';

/** Exit codes: 0 done, 1 it failed, 2 the command line is wrong. */
export async function runProgram<Io extends Output, Flags extends object>(
  program: Program<Io, Flags>,
  args: readonly string[],
  io: Io,
): Promise<number> {
  const parsed = tryToParse(program, args);
  if ('problem' in parsed) return misused(program, io, parsed.problem, args);
  const { values: flags, positionals: words } = parsed;
  if (flags.help || words[0] === HELP) {
    io.stdout.write(helpOn(program, words[0] === HELP ? words.slice(1) : words));
    return 0;
  }
  if (flags.version) {
    io.stdout.write(`${program.version}\n`);
    return 0;
  }
  const { name, operands } = commandIn(program, words);
  const command = Object.hasOwn(program.commands, name) ? program.commands[name] : undefined;
  if (!command) return misused(program, io, await unknownCommand(program, words), words);
  const refused = misplaced(command, flags, operands) ?? emptyFlag(program, flags);
  if (refused !== undefined) return misused(program, io, refused, words);
  return command.run(io, flags, operands);
}

function tryToParse<Io, Flags>(
  program: Program<Io, Flags>,
  args: readonly string[],
): Parsed<Flags> | { problem: string } {
  try {
    return program.parse(args);
  } catch (error) {
    // Its second sentence is about words that begin with a hyphen: no command has any.
    const [problem = ''] = String(error instanceof Error ? error.message : error).split('. ');
    return { problem };
  }
}

/** The words of a command, and those behind it. */
function commandIn<Io, Flags>(program: Program<Io, Flags>, words: readonly string[]) {
  const [first = program.usual, ...rest] = words;
  if (!isFamily(program, first)) return { name: first, operands: rest };
  return { name: `${first} ${rest[0] ?? ''}`, operands: rest.slice(1) };
}

function isFamily<Io, Flags>({ commands }: Program<Io, Flags>, word: string): boolean {
  return Object.keys(commands).some((name) => name.startsWith(`${word} `));
}

async function unknownCommand<Io, Flags>(
  program: Program<Io, Flags>,
  words: readonly string[],
): Promise<string> {
  const { nearest } = await import('../text/nearest.ts');
  const names = Object.keys(program.commands).filter((name) => !program.commands[name]?.internal);
  const near = nearest(words.slice(0, 2).join(' '), names) ?? nearest(words[0] ?? '', names);
  const [first = ''] = words;
  const known = names.filter((name) => name.startsWith(`${first} `));
  const what = `unknown command ${JSON.stringify(words.join(' '))}`;
  if (words.length === 1 && known.length > 0) return `${what}: there are ${known.join(', ')}`;
  return near === undefined ? what : `${what}; did you mean ${JSON.stringify(near)}?`;
}

function misused<Io, Flags>(
  program: Program<Io, Flags>,
  io: Output,
  problem: string,
  words: readonly string[],
): number {
  const [first = ''] = words;
  const about = isFamily(program, first) || Object.hasOwn(program.commands, first);
  const help = [program.name, ...(about ? [first] : []), '--help'].join(' ');
  io.stderr.write(`${program.name}: ${problem}\nTry: ${help}\n`);
  return 2;
}

function emptyFlag<Io, Flags extends object>(
  { mayBeEmpty = [] }: Program<Io, Flags>,
  flags: Flags,
): string | undefined {
  const empty = Object.entries(flags).find(
    ([flag, value]) => value === '' && !mayBeEmpty.some((each) => each === flag),
  );
  return empty && `--${empty[0]} is empty`;
}

function misplaced<Io, Flags extends object>(
  command: Command<Io, Flags>,
  flags: Flags,
  words: readonly string[],
): string | undefined {
  const missing = command.words[words.length];
  if (missing !== undefined) return `${missing} is missing`;
  if (!command.more && words.length > command.words.length) {
    return `unexpected argument ${JSON.stringify(words[command.words.length])}`;
  }
  const given = Object.keys(flags).find((flag) => !command.flags.some((known) => known === flag));
  return given === undefined ? undefined : `--${given} has no meaning for this command`;
}
