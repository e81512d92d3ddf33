/** Where the focus goes when what had it is gone. */

/**
 * To be called when something that may have the focus is taken away: the composer gets it, unless
 * that would bring up a keyboard on the screen.
 */
export function rescueFocus(): void {
  requestAnimationFrame(() => {
    const { activeElement, body } = document;
    if (activeElement !== null && activeElement !== body) return;
    if (!matchMedia('(hover: hover)').matches) return;
    document.querySelector<HTMLTextAreaElement>('.composer textarea')?.focus();
  });
}
