import { useEffect, useRef } from 'preact/hooks';

/** A formula; its source until the type setter is there. */
export function Formula({
  source,
  display,
}: {
  readonly source: string;
  readonly display: boolean;
}) {
  const place = useRef<HTMLSpanElement>(null);
  useEffect(() => {
    let wanted = true;
    void import('../markdown/katex.ts').then(({ setFormula }) => {
      if (wanted && place.current) setFormula(place.current, source, display);
    });
    return () => {
      wanted = false;
    };
  }, [source, display]);
  // A new source is a new element: what the type setter built is not Preact's to change.
  return (
    <span key={source} ref={place} class={display ? 'formula display' : 'formula'} dir="ltr">
      {source}
    </span>
  );
}
