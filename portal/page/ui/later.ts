import { useEffect, useState } from 'preact/hooks';

/** False until this many milliseconds after the component came. */
export function useLater(ms: number): boolean {
  const [due, setDue] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setDue(true), ms);
    return () => clearTimeout(timer);
  }, [ms]);
  return due;
}
