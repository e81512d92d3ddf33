/**
 * Tokens of marked → elements. No HTML is ever parsed: what a model writes can only become the
 * elements that stand here, and tags in it are shown as text.
 */

import type { Token, Tokens } from 'marked';
import type { ComponentChildren, VNode } from 'preact';
import { texts } from '../i18n.ts';
import { decodeEntities } from '../markdown/entities.ts';
import { isMarked } from '../markdown/lexer.ts';
import { safeImage, safeLink } from '../markdown/safe-link.ts';
import { CodeBlock } from './code-block.tsx';
import { Formula } from './formula.tsx';

/** Preact leaves an element alone whose description is the same object as before. */
const drawn = new WeakMap<object, VNode>();

function once(part: object, draw: () => VNode): VNode {
  const known = drawn.get(part);
  if (known) return known;
  const made = draw();
  drawn.set(part, made);
  return made;
}

/** Blocks in order; those that were drawn before cost nothing. */
export function Blocks({ tokens }: { readonly tokens: readonly Token[] }) {
  return <>{tokens.map((token, at) => once(token, () => <BlockOf key={at} token={token} />))}</>;
}

function BlockOf({ token }: { readonly token: Token }) {
  return block(token);
}

function block(token: Token): VNode | null {
  if (!isMarked(token)) return formula(token);
  switch (token.type) {
    case 'heading': {
      // Below the page's and the answer's own headings. Models begin with any level, so the first
      // three are one to a screen reader: a level that is left out would sound like a missing part.
      const Level = token.depth <= 3 ? 'h3' : 'h4';
      return (
        <Level class={`depth-${token.depth}`} dir="auto">
          {inline(token.tokens)}
        </Level>
      );
    }
    case 'paragraph':
      return <p dir="auto">{inline(token.tokens)}</p>;
    case 'text':
      return <p dir="auto">{token.tokens ? inline(token.tokens) : decodeEntities(token.text)}</p>;
    case 'code':
      return (
        <CodeBlock
          code={token.text}
          language={(token.lang ?? '').split(/\s/, 1)[0] ?? ''}
          complete={/(?:```|~~~)\s*$/.test(token.raw)}
        />
      );
    case 'blockquote':
      return (
        <blockquote dir="auto">
          <Blocks tokens={token.tokens} />
        </blockquote>
      );
    case 'list':
      return list(token);
    case 'table':
      return <Table token={token} />;
    case 'hr':
      return <hr />;
    case 'html':
      return <p dir="auto">{token.text.trim()}</p>;
    case 'checkbox':
    case 'def':
    case 'space':
      return null;
    case 'list_item':
    case 'br':
    case 'codespan':
    case 'del':
    case 'em':
    case 'escape':
    case 'image':
    case 'link':
    case 'strong':
    default:
      // Inline forms are no blocks; the lexer puts none here.
      return null;
  }
}

function list({ ordered, start, loose, items }: Tokens.List): VNode {
  const rows = items.map((item, at) =>
    // What was drawn without paragraphs is no use once the list has some.
    loose ? itemOf(item, at, true) : once(item, () => itemOf(item, at, false)),
  );
  if (!ordered) return <ul dir="auto">{rows}</ul>;
  return (
    <ol start={typeof start === 'number' ? start : 1} dir="auto">
      {rows}
    </ol>
  );
}

function itemOf(item: Tokens.ListItem, at: number, loose: boolean): VNode {
  return (
    <li key={at} class={item.task ? 'task' : undefined}>
      {item.task && (
        <input
          type="checkbox"
          checked={item.checked === true}
          disabled={true}
          aria-label={item.text}
        />
      )}
      {item.tokens.map((each) => (each.type === 'checkbox' ? null : inItem(each, loose)))}
    </li>
  );
}

/**
 * In a tight list the words of an item are no paragraph. The list has one direction, that of its
 * first words: its signs stand on one side.
 */
function inItem(token: Token, loose: boolean): ComponentChildren {
  if (token.type !== 'text' && token.type !== 'paragraph') return block(token);
  const words = token.tokens ? inline(token.tokens) : decodeEntities(String(token['text']));
  return loose || token.type === 'paragraph' ? <p>{words}</p> : words;
}

function Table({ token }: { readonly token: Tokens.Table }) {
  const align = (at: number) => token.align[at] ?? undefined;
  return (
    <div class="table" tabIndex={0} role="region" aria-label={texts.value.table}>
      <table>
        <thead>
          <tr>
            {token.header.map((cell, at) => (
              <th key={at} scope="col" data-align={align(at)} dir="auto">
                {inline(cell.tokens)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {token.rows.map((row, line) =>
            once(row, () => (
              <tr key={line}>
                {row.map((cell, at) => (
                  <td key={at} data-align={align(at)} dir="auto">
                    {inline(cell.tokens)}
                  </td>
                ))}
              </tr>
            )),
          )}
        </tbody>
      </table>
    </div>
  );
}

function inline(tokens: readonly Token[]): ComponentChildren[] {
  return tokens.map(inlineOf);
}

function inlineOf(token: Token): ComponentChildren {
  if (!isMarked(token)) return formula(token);
  switch (token.type) {
    case 'text':
      return token.tokens ? inline(token.tokens) : decodeEntities(token.text);
    case 'escape':
      return token.text;
    case 'strong':
      return once(token, () => <strong>{inline(token.tokens)}</strong>);
    case 'em':
      return once(token, () => <em>{inline(token.tokens)}</em>);
    case 'del':
      return once(token, () => <del>{inline(token.tokens)}</del>);
    case 'codespan':
      return once(token, () => <code>{token.text}</code>);
    case 'br':
      return <br />;
    case 'link':
      return link(token.href, inline(token.tokens));
    case 'image':
      return image(token);
    case 'html':
      // Models break lines in table cells with it.
      return /^<br\s*\/?>$/i.test(token.raw) ? <br /> : token.raw;
    case 'checkbox':
    case 'def':
    case 'space':
      return null;
    case 'blockquote':
    case 'code':
    case 'heading':
    case 'hr':
    case 'list':
    case 'list_item':
    case 'paragraph':
    case 'table':
    default:
      // Blocks do not stand within a line; the lexer puts none here.
      return token.raw;
  }
}

function link(href: string, children: ComponentChildren): ComponentChildren {
  const safe = safeLink(decodeEntities(href));
  if (safe === undefined) return children;
  return (
    <a href={safe} target="_blank" rel="noopener noreferrer">
      {children}
    </a>
  );
}

function image(token: Tokens.Image): ComponentChildren {
  const safe = safeImage(token.href);
  if (safe !== undefined) return <img src={safe} alt={token.text} />;
  return link(token.href, token.text || token.href);
}

function formula(token: Tokens.Generic): VNode {
  return <Formula source={String(token['text'])} display={token['display'] === true} />;
}
