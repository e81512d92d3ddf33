/**
 * Keeps a scrolled element where the reader is: at its end while that is followed, else at the row
 * that is being read, whatever changes its height above. The browser's own anchoring is off, since
 * not every browser has it and two would add up.
 */

export interface Scroller {
  /** After a change of the rows, before it is painted. */
  settle(): void;
  toEnd(): void;
  /** Puts a row that may not be there yet at the top. */
  jump(top: number, key: string): void;
  end(): void;
}

export interface ScrollerHandlers {
  scrolled(): void;
  follows(following: boolean): void;
  measured(key: string, height: number): void;
}

/** Pixels from the end that still count as being there. */
const NEAR = 32;

export function createScroller(element: HTMLElement, handlers: ScrollerHandlers): Scroller {
  const content = element.firstElementChild ?? element;
  let following = true;
  let lastTop = 0;
  let anchor: { readonly row: HTMLElement; readonly top: number } | undefined;
  let jumping: string | undefined;

  const follow = (next: boolean) => {
    if (next === following) return;
    following = next;
    handlers.follows(next);
  };
  const distance = () => element.scrollHeight - element.scrollTop - element.clientHeight;
  const remember = () => {
    const top = element.getBoundingClientRect().top;
    const row = rows(content).find((each) => each.getBoundingClientRect().bottom > top + 1);
    anchor = row && { row, top: row.getBoundingClientRect().top - top };
  };
  const restore = () => {
    if (!anchor?.row.isConnected) return;
    const top = anchor.row.getBoundingClientRect().top - element.getBoundingClientRect().top;
    const moved = top - anchor.top;
    if (Math.abs(moved) < 1) return;
    element.scrollTop += moved;
    lastTop = element.scrollTop;
  };
  /** A scroll whose event is still to come counts too: else what is settled first would undo it. */
  const notice = () => {
    const top = element.scrollTop;
    if (distance() <= NEAR) follow(true);
    else if (top < lastTop - 1) follow(false);
    if (top !== lastTop) remember();
    lastTop = top;
  };
  const settle = () => {
    if (following && element.scrollTop < lastTop - 1) notice();
    for (const row of rows(content)) {
      if (observed.has(row)) continue;
      observed.add(row);
      sizes.observe(row);
      // At once: the window must not be chosen by a guess of what is already there.
      const key = row.dataset['key'];
      if (key !== undefined) handlers.measured(key, row.getBoundingClientRect().height);
    }
    if (jumping !== undefined) {
      const row = rows(content).find((each) => each.dataset['key'] === jumping);
      row?.scrollIntoView({ block: 'start' });
      row?.classList.add('found');
      if (row) jumping = undefined;
      remember();
    } else if (following) {
      element.scrollTop = element.scrollHeight;
      lastTop = element.scrollTop;
    } else {
      restore();
      if (!anchor?.row.isConnected) remember();
    }
  };

  const observed = new WeakSet<Element>();
  const sizes = new ResizeObserver((entries) => {
    for (const { target, borderBoxSize } of entries) {
      if (!(target instanceof HTMLElement) || !target.isConnected) continue;
      const key = target.dataset['key'];
      const height = borderBoxSize[0]?.blockSize;
      if (key !== undefined && height !== undefined) handlers.measured(key, height);
    }
    settle();
  });
  sizes.observe(element);
  sizes.observe(content);

  const onScroll = () => {
    notice();
    remember();
    handlers.scrolled();
  };
  element.addEventListener('scroll', onScroll, { passive: true });
  settle();

  return {
    settle,
    toEnd() {
      follow(true);
      settle();
    },
    jump(top, key) {
      follow(false);
      jumping = key;
      element.scrollTop = top;
      settle();
    },
    end() {
      sizes.disconnect();
      element.removeEventListener('scroll', onScroll);
    },
  };
}

function rows(content: Element): HTMLElement[] {
  return [...content.children].filter(
    (child): child is HTMLElement => child instanceof HTMLElement && 'key' in child.dataset,
  );
}
