import { useEffect, useState } from 'preact/hooks';
import { texts } from '../i18n.ts';
import { Check, Copy } from './icons.tsx';

/** Copies a text and says so for a moment. */
export function CopyButton({ text, label }: { readonly text: string; readonly label: string }) {
  const [done, setDone] = useState(false);
  useEffect(() => {
    if (!done) return undefined;
    const timer = setTimeout(() => setDone(false), 1_600);
    return () => clearTimeout(timer);
  }, [done]);
  const said = done ? texts.value.copied : label;
  return (
    <button
      type="button"
      class="quiet icon"
      aria-label={said}
      title={said}
      onClick={() => void copy(text).then(setDone)}
    >
      {done ? <Check /> : <Copy />}
    </button>
  );
}

/** False where the browser gives no clipboard (plain HTTP from another host) and the old way fails too. */
async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text);
  }
}

function copyBySelection(text: string): boolean {
  const area = document.createElement('textarea');
  area.value = text;
  area.className = 'unseen';
  document.body.append(area);
  area.select();
  const done = document.execCommand('copy');
  area.remove();
  return done;
}
