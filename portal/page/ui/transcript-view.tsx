/** The conversation: a window of rows that follows the end, or stays where the reader is. */

import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { Actions } from '../actions.ts';
import type { Chat } from '../chat.ts';
import { perFrame } from '../frame.ts';
import { texts } from '../i18n.ts';
import { rescueFocus } from './focus.ts';
import { Down } from './icons.tsx';
import { type Item, itemsOf } from './items.ts';
import { Row } from './row.tsx';
import { createScroller, type Scroller } from './scroller.ts';
import { heightOf, type Range, rangeFor } from './window.ts';

interface Props {
  readonly chat: Chat;
  readonly actions: Actions;
  readonly editing: string | undefined;
  readonly onEdit: (key: string | undefined) => void;
  /** A message to show, from a search. */
  readonly wanted: string | undefined;
  readonly onShown: () => void;
}

export function TranscriptView(props: Props) {
  const { chat, actions } = props;
  const transcript = chat.current.value;
  const items = useItems(chat);
  const keys = useMemo(() => items.map((item) => item.key), [items]);
  const [range, setRange] = useState<Range>({ from: 0, to: 0 });
  const [away, setAway] = useState(false);
  const place = useRef<HTMLDivElement>(null);
  const scroller = useRef<Scroller>(undefined);
  const heights = useRef(new Map<string, number>());
  const shown = useRef({ keys, range });
  const visible = shiftRange(shown.current, keys, range);
  shown.current = { keys, range: visible };

  const update = () => {
    const element = place.current;
    if (!element) return;
    const now = shown.current;
    const view = { top: element.scrollTop, height: element.clientHeight };
    const next = rangeFor(now.keys, heights.current, view, now.range);
    if (next !== now.range) {
      now.range = next;
      setRange(next);
    }
    if (next.from === 0 && element.scrollTop < 1_200) void actions.loadOlder();
  };

  useLayoutEffect(() => {
    if (!place.current) return undefined;
    const made = createScroller(place.current, {
      scrolled: () => newest.current(),
      follows: (following) => setAway(!following),
      measured: (key, height) => heights.current.set(key, height),
    });
    scroller.current = made;
    return () => made.end();
  }, [transcript.key]);

  const newest = useRef(update);
  newest.current = update;
  // In the next frame, never at once: choosing rows again for what choosing them changed has no end.
  const later = useMemo(() => perFrame(() => newest.current()), []);
  useLayoutEffect(() => {
    scroller.current?.settle();
    later.request();
  });

  // A message of one's own is always looked at.
  const own = chat.outbox.entries.value.findLast(
    (each) => each.sessionKey === transcript.key,
  )?.runId;
  useLayoutEffect(() => {
    if (own !== undefined) scroller.current?.toEnd();
  }, [own]);

  useLayoutEffect(() => {
    const { wanted } = props;
    if (wanted === undefined) return;
    const at = items.findIndex((item) => 'message' in item && item.message.id === wanted);
    if (at < 0) return;
    scroller.current?.jump(heightOf(keys, 0, at, heights.current), keys[at] ?? '');
    props.onShown();
  }, [props.wanted, items]);

  // The last message may be far above the answer to it: what is edited is looked at.
  useLayoutEffect(() => {
    const at = props.editing === undefined ? -1 : keys.indexOf(props.editing);
    if (at < 0 || (at >= visible.from && at < visible.to)) return;
    scroller.current?.jump(heightOf(keys, 0, at, heights.current), keys[at] ?? '');
    later.request();
  }, [props.editing]);

  // Paper does not scroll: all that is loaded is printed.
  useEffect(() => {
    const onPrint = () => setRange({ from: 0, to: shown.current.keys.length });
    addEventListener('beforeprint', onPrint);
    addEventListener('afterprint', later.request);
    return () => {
      removeEventListener('beforeprint', onPrint);
      removeEventListener('afterprint', later.request);
    };
  }, []);

  const toEnd = () => {
    scroller.current?.toEnd();
    rescueFocus();
  };
  const above = heightOf(keys, 0, visible.from, heights.current);
  const below = heightOf(keys, visible.to, keys.length, heights.current);
  const hasOlder = transcript.nextOffset.value !== undefined;
  return (
    <div class="transcript-frame">
      {/* What scrolls must be reachable by keyboard. */}
      <div
        class="transcript"
        ref={place}
        tabIndex={0}
        role="region"
        aria-label={texts.value.foundMessages}
        key={transcript.key}
      >
        <div class="column">
          {hasOlder && (
            <p class="older" aria-hidden="true">
              {texts.value.loadingOlder}
            </p>
          )}
          <Spacer height={above} />
          {items.slice(visible.from, visible.to).map((item) => (
            <Row
              key={item.key}
              item={item}
              chat={chat}
              actions={actions}
              isEditing={props.editing === item.key}
              isLast={item === items.at(-1)}
              onEdit={props.onEdit}
            />
          ))}
          <Spacer height={below} />
        </div>
      </div>
      {away && items.length > 0 && (
        <button type="button" class="to-end" onClick={toEnd}>
          <Down />
          <span>{texts.value.toEnd}</span>
        </button>
      )}
    </div>
  );
}

function Spacer({ height }: { readonly height: number }) {
  const place = useRef<HTMLDivElement>(null);
  // Through the object model: the security policy forbids style attributes.
  useLayoutEffect(() => {
    if (place.current) place.current.style.height = `${height}px`;
  }, [height]);
  return <div ref={place} class="spacer" aria-hidden="true" />;
}

function useItems(chat: Chat): readonly Item[] {
  const transcript = chat.current.value;
  const messages = transcript.messages.value;
  const lives = transcript.lives.value;
  const entries = chat.outbox.entries.value;
  return useMemo(
    () =>
      itemsOf(
        messages,
        lives,
        entries.filter((each) => each.sessionKey === transcript.key),
      ),
    [messages, lives, entries, transcript.key],
  );
}

/** The same rows after others came before them or behind them. */
function shiftRange(
  before: { readonly keys: readonly string[]; readonly range: Range },
  keys: readonly string[],
  range: Range,
): Range {
  if (before.keys === keys) return range;
  const first = before.keys[before.range.from];
  const at = first === undefined ? -1 : keys.indexOf(first);
  if (at < 0) return { from: Math.max(0, keys.length - 30), to: keys.length };
  const reachedEnd = before.range.to >= before.keys.length;
  const to = at + (before.range.to - before.range.from);
  return { from: at, to: reachedEnd ? keys.length : Math.min(to, keys.length) };
}
