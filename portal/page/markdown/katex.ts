/** Sets formulas. Loaded when the first one appears; builds DOM nodes, no HTML and no style attributes. */

import katex from 'katex';
// oxlint-disable-next-line import/no-unassigned-import -- a style sheet has nothing to assign
import 'katex/dist/katex.min.css';

/** A formula that KaTeX does not understand stays as it was written. */
export function setFormula(into: HTMLElement, source: string, display: boolean): void {
  katex.render(source, into, {
    displayMode: display,
    throwOnError: false,
    strict: 'ignore',
    trust: false,
    maxExpand: 500,
    maxSize: 30,
  });
}
