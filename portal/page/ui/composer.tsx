/** Where a message is written. */

import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { Actions } from '../actions.ts';
import type { Chat } from '../chat.ts';
import { texts } from '../i18n.ts';
import { bytesOf } from '../socket/socket.ts';
import type { Attachment } from '../store/outbox.ts';
import { focusComposer, rescueFocus } from './focus.ts';
import { Close, Image, Stop, Up } from './icons.tsx';
import { type Limits, MOST_IMAGES, readFiles } from './images.ts';

interface Props {
  readonly chat: Chat;
  readonly actions: Actions;
  /** Of the last message, for the key ↑. */
  readonly editLast: () => boolean;
}

/** Of a frame, for what stands in it beside the message. */
const SPARE_BYTES = 4_096;
/** Milliseconds in which a second click is the second half of a double-click. */
const DOUBLE_CLICK_MS = 400;

export function Composer({ chat, actions, editLast }: Props) {
  const t = texts.value;
  const { key } = chat.current.value;
  const { name, granted } = chat.instance.value;
  const [draft, setDraft] = useDraft(chat, key);
  const [images, setImages] = useAttached(chat, key);
  const [problem, setProblem] = useState<string>();
  const clickedAt = useRef(Number.NEGATIVE_INFINITY);
  const area = useRef<HTMLTextAreaElement>(null);
  const limits = limitsOf(chat);
  const running = chat.current.value.lives.value.length > 0;
  const empty = draft.trim() === '' && images.length === 0;

  useLayoutEffect(() => fit(area.current), [draft, key]);
  useEffect(() => {
    setProblem(undefined);
    focusComposer();
  }, [key]);

  const shownKey = useRef(key);
  shownKey.current = key;
  const add = async (files: readonly File[]) => {
    const read = await readFiles(files, limits, texts.value);
    // Meanwhile more files may have come.
    const all = [...(chat.attached.get(key) ?? []), ...read.images];
    setImages(all.slice(0, MOST_IMAGES));
    // Another conversation may be open by now.
    if (shownKey.current !== key) return;
    setProblem(all.length > MOST_IMAGES ? t.imagesTooMany(MOST_IMAGES) : read.problem);
  };
  const dragging = useDroppedFiles((files) => void add(files));
  const send = () => {
    if (empty) return;
    const bytes = bytesOf(JSON.stringify([draft, images.map((each) => each.base64)]));
    if (bytes > limits.maxPayload - SPARE_BYTES) {
      setProblem(t.messageTooLong);
      return;
    }
    actions.send(draft, images);
    setDraft('');
    setImages([]);
    setProblem(undefined);
    area.current?.focus();
  };
  const stop = (event: MouseEvent) => {
    // It stands where Send stood: a double-click there must not stop what it began.
    const isSecond = event.detail > 1 || performance.now() - clickedAt.current < DOUBLE_CLICK_MS;
    if (event.detail === 0 || !isSecond) actions.stop();
    // At once: what is typed until the answer has ended is not lost either.
    focusComposer();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    // During a composition Enter picks a word; Safari ends it before the key, hence the old code 229.
    if (event.isComposing || event.keyCode === 229) return;
    if (event.key === 'Enter' && !event.shiftKey && !event.altKey) {
      event.preventDefault();
      send();
    } else if (event.key === 'ArrowUp' && draft === '' && editLast()) {
      event.preventDefault();
    }
  };

  return (
    <form
      class={dragging ? 'composer dragging' : 'composer'}
      onSubmit={(event) => {
        event.preventDefault();
        clickedAt.current = performance.now();
        send();
      }}
    >
      {dragging && <p class="drop-hint">{t.dropHere}</p>}
      {images.length > 0 && (
        <ul class="thumbs">
          {images.map((image, at) => (
            <li key={at}>
              <img src={`data:${image.mimeType};base64,${image.base64}`} alt={image.name} />
              <button
                type="button"
                aria-label={t.removeImage(image.name)}
                onClick={() => {
                  setImages(images.toSpliced(at, 1));
                  rescueFocus();
                }}
              >
                <Close />
              </button>
            </li>
          ))}
        </ul>
      )}
      {problem !== undefined && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
      <textarea
        ref={area}
        rows={1}
        value={draft}
        dir="auto"
        aria-label={t.messageLabel}
        placeholder={granted ? t.placeholder(name) : t.messageLabel}
        onInput={(event) => setDraft(event.currentTarget.value)}
        onKeyDown={onKeyDown}
        onPaste={(event) => {
          const files = [...(event.clipboardData?.files ?? [])];
          if (files.length === 0) return;
          event.preventDefault();
          void add(files);
        }}
      />
      <div class="composer-row">
        <AttachButton
          enabled={limits.maxImageBytes !== undefined}
          onFiles={(files) => void add(files)}
        />
        <span class="grow" />
        {running && <StopButton onClick={stop} />}
        {(!running || !empty) && (
          <button
            type="submit"
            class="round send"
            aria-label={t.send}
            title={t.send}
            disabled={empty}
          >
            <Up />
          </button>
        )}
      </div>
    </form>
  );
}

/** An answer ends when it likes, whoever has the focus on this. */
function StopButton({ onClick }: { readonly onClick: (event: MouseEvent) => void }) {
  const t = texts.value;
  useLayoutEffect(() => rescueFocus, []);
  return (
    <button
      type="button"
      class="round stop"
      aria-label={t.stop}
      title={`${t.stop} (Esc)`}
      onClick={onClick}
    >
      <Stop />
    </button>
  );
}

function AttachButton({
  enabled,
  onFiles,
}: {
  enabled: boolean;
  onFiles: (files: File[]) => void;
}) {
  const t = texts.value;
  const input = useRef<HTMLInputElement>(null);
  if (!enabled) return null;
  return (
    <>
      <button
        type="button"
        class="quiet icon"
        aria-label={t.attach}
        title={t.attach}
        onClick={() => input.current?.click()}
      >
        <Image />
      </button>
      <input
        ref={input}
        type="file"
        hidden={true}
        multiple={true}
        accept="image/png,image/jpeg,image/gif,image/webp"
        aria-label={t.attach}
        onChange={(event) => {
          onFiles([...(event.currentTarget.files ?? [])]);
          event.currentTarget.value = '';
        }}
      />
    </>
  );
}

/**
 * Files may be dropped anywhere on the page: a browser would else open them in its place. True while
 * some are held over it.
 */
function useDroppedFiles(onFiles: (files: File[]) => void): boolean {
  const [over, setOver] = useState(false);
  const taken = useRef(onFiles);
  taken.current = onFiles;
  useEffect(() => {
    const holdsFiles = (event: DragEvent) => event.dataTransfer?.types.includes('Files') === true;
    const onOver = (event: DragEvent) => {
      if (!holdsFiles(event)) return;
      event.preventDefault();
      setOver(true);
    };
    const onLeave = (event: DragEvent) => {
      if (event.relatedTarget === null) setOver(false);
    };
    const onDrop = (event: DragEvent) => {
      setOver(false);
      if (!holdsFiles(event)) return;
      event.preventDefault();
      taken.current([...(event.dataTransfer?.files ?? [])]);
    };
    document.addEventListener('dragover', onOver);
    document.addEventListener('dragleave', onLeave);
    document.addEventListener('drop', onDrop);
    return () => {
      document.removeEventListener('dragover', onOver);
      document.removeEventListener('dragleave', onLeave);
      document.removeEventListener('drop', onDrop);
    };
  }, []);
  return over;
}

const NONE: readonly Attachment[] = [];

/** Images that wait to be sent, kept per conversation while the page is open. */
function useAttached(
  chat: Chat,
  key: string,
): [readonly Attachment[], (images: readonly Attachment[]) => void] {
  const [, draw] = useState(0);
  const write = (images: readonly Attachment[]) => {
    chat.attached.set(key, images);
    draw((times) => times + 1);
  };
  return [chat.attached.get(key) ?? NONE, write];
}

/** What is being written, kept per conversation and over a reload. */
function useDraft(chat: Chat, key: string): [string, (text: string) => void] {
  const read = () => {
    const kept = chat.shelf.read(`draft:${key}`);
    return typeof kept === 'string' ? kept : '';
  };
  const [state, setState] = useState(() => ({ key, text: read() }));
  const text = state.key === key ? state.text : read();
  const write = (next: string) => {
    setState({ key, text: next });
    if (next === '') chat.shelf.remove(`draft:${key}`);
    else chat.shelf.write(`draft:${key}`, next);
  };
  return [text, write];
}

function limitsOf(chat: Chat): Limits {
  const state = chat.connection.state.value;
  if (state.kind !== 'connected') return { maxPayload: 1024 * 1024, maxImageBytes: 512 * 1024 };
  return { maxPayload: state.hello.maxPayload, maxImageBytes: state.hello.maxImageBytes };
}

/** Grows with its text up to what the style sheet allows. */
function fit(area: HTMLTextAreaElement | null): void {
  if (!area) return;
  area.style.height = 'auto';
  // One line is its own height. To measure it would lay the page out an extra time before it is first shown.
  if (area.value === '') return;
  area.style.height = `${area.scrollHeight}px`;
}
