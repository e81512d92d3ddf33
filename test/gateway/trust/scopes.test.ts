import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { coversScope, grantScopes } from '../../../gateway/trust/scopes.ts';

const READ_WRITE = ['operator.read', 'operator.write'];
const IDENTITY_SCOPES = { alice: ['operator.admin'], bob: ['operator.read'] };

describe('grantScopes', () => {
  it.each<[string, string, string[] | undefined, string[]]>([
    ['everything, when nothing is asked', 'carol', undefined, READ_WRITE],
    ['everything, when an empty list is asked', 'carol', [], READ_WRITE],
    ['more to whom the configuration names', 'alice', undefined, [...READ_WRITE, 'operator.admin']],
    ['no duplicates', 'bob', undefined, READ_WRITE],
    ['what is asked, if it is less', 'carol', ['operator.read'], ['operator.read']],
    ['read with write', 'carol', ['operator.write'], READ_WRITE],
    ['never admin on the client’s word', 'carol', ['operator.admin'], READ_WRITE],
    [
      'admin to whom it belongs, when asked',
      'alice',
      ['operator.admin'],
      [...READ_WRITE, 'operator.admin'],
    ],
    ['less than admin, when less is asked', 'alice', READ_WRITE, READ_WRITE],
    ['nothing for scopes that nobody has', 'carol', ['operator.approvals'], []],
    ['nothing special to a user called like a built-in', 'constructor', undefined, READ_WRITE],
  ])('%s', (_name, user, requested, expected) => {
    expect(grantScopes(IDENTITY_SCOPES, user, requested)).toEqual(expected);
  });

  it('never grants more to one who asks than to one who does not', () => {
    const scope = fc.oneof(
      fc.constantFrom('operator.read', 'operator.write', 'operator.admin', 'operator.pairing'),
      fc.string(),
    );
    fc.assert(
      fc.property(fc.constantFrom('alice', 'bob', 'carol'), fc.array(scope), (user, requested) => {
        const all = grantScopes(IDENTITY_SCOPES, user);
        const granted = grantScopes(IDENTITY_SCOPES, user, requested);
        expect(all).toEqual(expect.arrayContaining([...granted]));
      }),
    );
  });
});

it.each([
  [['operator.read'], 'operator.read', true],
  [['operator.read'], 'operator.write', false],
  [['operator.write'], 'operator.read', true],
  [['operator.write'], 'operator.admin', false],
  [['operator.admin'], 'operator.write', true],
  [[], 'operator.read', false],
])('%j covers %s: %s', (scopes, needed, expected) => {
  expect(coversScope(scopes, needed)).toBe(expected);
});
