/**
 * Tokens of marked → elements. No HTML is ever parsed: what a model writes can only become the
 * elements that stand here, and tags in it are shown as text.
 */

import type { MarkedToken, Token, Tokens } from 'marked';
import type { ComponentChildren, VNode } from 'preact';
import { texts } from '../i18n.ts';
import { decodeEntities } from '../markdown/entities.ts';
import { safeImage, safeLink } from '../markdown/safe-link.ts';
import { CodeBlock } from './code-block.tsx';
import { Formula } from './formula.tsx';

/** Preact leaves an element alone whose description is the same object as before. */
const drawn = new WeakMap<Token, VNode>();

/** Blocks in order; those that were drawn before cost nothing. */
export function Blocks({ tokens }: { readonly tokens: readonly Token[] }) {
  return <>{tokens.map((token, at) => drawOnce(token, at))}</>;
}

function drawOnce(token: Token, at: number): VNode {
  const known = drawn.get(token);
  if (known) return known;
  const made = <BlockOf key={at} token={token} />;
  drawn.set(token, made);
  return made;
}

function BlockOf({ token }: { readonly token: Token }) {
  return block(token);
}

function block(token: Token): VNode | null {
  if (!isOurs(token)) return formula(token);
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
      return <blockquote dir="auto">{token.tokens.map(block)}</blockquote>;
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

function list(token: Tokens.List): VNode {
  const items = token.items.map((item, at) => (
    <li key={at} class={item.task ? 'task' : undefined} dir="auto">
      {item.task && (
        <input
          type="checkbox"
          checked={item.checked === true}
          disabled={true}
          aria-label={item.text}
        />
      )}
      {item.tokens.map((each) => (each.type === 'checkbox' ? null : inItem(each, item.loose)))}
    </li>
  ));
  if (!token.ordered) return <ul>{items}</ul>;
  return <ol start={typeof token.start === 'number' ? token.start : 1}>{items}</ol>;
}

/** In a tight list the words of an item are no paragraph. */
function inItem(token: Token, loose: boolean): ComponentChildren {
  if (token.type === 'text' && !loose) {
    return token.tokens ? inline(token.tokens) : decodeEntities(String(token['text']));
  }
  return block(token);
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
          {token.rows.map((row, line) => (
            <tr key={line}>
              {row.map((cell, at) => (
                <td key={at} data-align={align(at)} dir="auto">
                  {inline(cell.tokens)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function inline(tokens: readonly Token[]): ComponentChildren[] {
  return tokens.map(inlineOf);
}

function inlineOf(token: Token): ComponentChildren {
  if (!isOurs(token)) return formula(token);
  switch (token.type) {
    case 'text':
      return token.tokens ? inline(token.tokens) : decodeEntities(token.text);
    case 'escape':
      return token.text;
    case 'strong':
      return <strong>{inline(token.tokens)}</strong>;
    case 'em':
      return <em>{inline(token.tokens)}</em>;
    case 'del':
      return <del>{inline(token.tokens)}</del>;
    case 'codespan':
      return <code>{token.text}</code>;
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

/** Whatever is no formula is one of marked's own. */
function isOurs(token: Token): token is MarkedToken {
  return token.type !== 'math';
}
