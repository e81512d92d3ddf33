/** What a command sees of the process. */

export interface Io {
  env: Readonly<Record<string, string | undefined>>;
  stdin: NodeJS.ReadStream;
  stdout: { write(text: string): unknown };
  stderr: { write(text: string): unknown };
  /** Where the executable is. */
  folder: string;
}
