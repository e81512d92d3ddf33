/** Lines of a response, for APIs that stream one JSON object a line. */

/** A server that sends this much without a line break does not speak the protocol. */
const MAX_LINE_CHARACTERS = 16 * 1024 * 1024;

/**
 * Yields each line without its end; empty ones are left out, and a last one needs no end. Costs as
 * much as the text is long, however it was cut into chunks. Throws `SyntaxError` if a line does not
 * end; what the connection throws passes through.
 */
export async function* readLines(response: Response): AsyncGenerator<string, undefined> {
  if (!response.body) return;
  const decoder = new TextDecoder();
  let parts: string[] = [];
  let held = 0;
  for await (const chunk of response.body) {
    const lines = decoder.decode(chunk, { stream: true }).split('\n');
    const rest = lines.pop() ?? '';
    for (const line of lines) {
      const whole = parts.length > 0 ? parts.join('') + line : line;
      parts = [];
      held = 0;
      if (whole.trim() !== '') yield whole;
    }
    if (rest === '') continue;
    parts.push(rest);
    held += rest.length;
    if (held > MAX_LINE_CHARACTERS) throw new SyntaxError('endless line');
  }
  const last = parts.join('') + decoder.decode();
  if (last.trim() !== '') yield last;
}
