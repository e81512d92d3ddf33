/** The openai SDK with its own defaults: what most gateways would begin with. */

import OpenAI from 'openai';
import type { Read } from './reader.ts';

export function createSdkReader(port: number): Read {
  const client = new OpenAI({
    baseURL: `http://127.0.0.1:${port}/v1`,
    apiKey: 'bench',
    maxRetries: 0,
  });
  return async (message, signal, onText) => {
    try {
      const stream = await client.chat.completions.create(
        { model: 'bench', messages: [{ role: 'user', content: message }], stream: true },
        { signal },
      );
      for await (const chunk of stream) {
        const text = chunk.choices[0]?.delta.content;
        if (text) onText(text);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  };
}
