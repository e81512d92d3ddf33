/** Where the focus goes when what had it is gone. */

/** Gives the composer the focus, unless that would bring up a keyboard on the screen. */
export function focusComposer(): void {
  if (!matchMedia('(hover: hover)').matches) return;
  document.querySelector<HTMLTextAreaElement>('.composer textarea')?.focus();
}

/** To be called when something that may have the focus is taken away. */
export function rescueFocus(): void {
  requestAnimationFrame(() => {
    const { activeElement, body } = document;
    if (activeElement === null || activeElement === body) focusComposer();
  });
}
