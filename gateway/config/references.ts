/**
 * Errors that no single value shows: names that lead nowhere, two of what can be one. They are found
 * in the tree as written, so that they are reported together with every other error of the file.
 */

import { nearest } from '../../deploy/text/nearest.ts';
import { type ConfigProblem, error, joinPath, quote } from './problem.ts';
import { splitModelRef } from './settings.ts';
import {
  itemsAt,
  membersAt,
  nodeAt,
  placeOf,
  type TreeNode,
  type TreePath,
  textAt,
} from './tree.ts';
import type { Advice } from './vocabulary.ts';

export function findBrokenReferences(tree: TreeNode): readonly ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const report = (path: TreePath, advice: Advice) => {
    problems.push(error(placeOf(tree, path), path.reduce<string>(joinPath, ''), advice));
  };
  checkModelRefs(tree, report);
  checkProviders(tree, report);
  checkInstances(tree, report);
  checkDefaultAgents(tree, report);
  checkBind(tree, report);
  return problems;
}

type Report = (path: TreePath, advice: Advice) => void;

/** Paths of all strings that name a model. */
export function modelRefPaths(tree: TreeNode): readonly TreePath[] {
  const owners: TreePath[] = [['agents', 'defaults', 'model']];
  for (const id of membersAt(tree, ['agents', 'entries']).keys()) {
    owners.push(['agents', 'entries', id, 'model']);
  }
  const paths: TreePath[] = [];
  for (const owner of owners) {
    paths.push(owner, [...owner, 'primary']);
    const fallbacks = [...owner, 'fallbacks'];
    for (const index of itemsAt(tree, fallbacks).keys()) paths.push([...fallbacks, index]);
  }
  return paths.filter((path) => textAt(tree, path) !== undefined);
}

function checkModelRefs(tree: TreeNode, report: Report): void {
  const providers = [...membersAt(tree, ['models', 'providers']).keys()];
  for (const path of modelRefPaths(tree)) {
    const ref = textAt(tree, path);
    if (ref === undefined || !ref.includes('/')) continue;
    const { provider } = splitModelRef(ref);
    if (providers.includes(provider)) continue;
    const near = nearest(provider, providers);
    report(path, {
      message: `no provider ${quote(provider)} is configured`,
      cure: near ? `did you mean ${quote(near)}?` : `add models.providers.${provider.slice(0, 64)}`,
    });
  }
}

function checkProviders(tree: TreeNode, report: Report): void {
  const root = ['models', 'providers'];
  for (const [id, { value }] of membersAt(tree, root)) {
    if (value.kind !== 'object') continue;
    const path = [...root, id];
    if (!value.members.has('baseUrl') && textAt(tree, [...path, 'api']) !== 'demo') {
      report([...path, 'baseUrl'], {
        message: 'this key is missing',
        cure: 'add the address of the API, such as "https://one-api.example.com/v1"',
      });
    }
    const seen = new Set<string>();
    itemsAt(tree, [...path, 'models']).forEach((_, index) => {
      const modelPath = [...path, 'models', index, 'id'];
      const model = textAt(tree, modelPath);
      if (model === undefined) return;
      if (seen.has(model)) {
        report(modelPath, {
          message: `the model ${quote(model)} is listed a second time`,
          cure: 'keep one of the two',
        });
      }
      seen.add(model);
    });
  }
}

function checkInstances(tree: TreeNode, report: Report): void {
  const entries = [...membersAt(tree, ['agents', 'entries']).keys()];
  const agents = entries.length > 0 ? entries : ['main'];
  for (const instance of membersAt(tree, ['gateway', 'instances']).keys()) {
    const path = ['gateway', 'instances', instance];
    const agent = textAt(tree, path);
    if (agent === undefined || agents.includes(agent)) continue;
    const near = nearest(agent, agents);
    report(path, {
      message: `no agent ${quote(agent)} is configured`,
      cure: near
        ? `did you mean ${quote(near)}?`
        : 'name an agent of agents.entries, or add it there',
    });
  }
}

function checkDefaultAgents(tree: TreeNode, report: Report): void {
  const root = ['agents', 'entries'];
  const marked = [...membersAt(tree, root).keys()].filter((id) => {
    const node = nodeAt(tree, [...root, id, 'default']);
    return node?.kind === 'scalar' && node.value === true;
  });
  const [first, ...others] = marked;
  for (const id of others) {
    report([...root, id, 'default'], {
      message: `two agents are the default: ${quote(first ?? '')} and ${quote(id)}`,
      cure: 'write default: true once',
    });
  }
}

function checkBind(tree: TreeNode, report: Report): void {
  if (textAt(tree, ['gateway', 'bind']) !== 'custom') return;
  if (membersAt(tree, ['gateway']).has('customBindHost')) return;
  report(['gateway', 'bind'], {
    message: '"custom" needs the address to listen on',
    cure: 'add gateway.customBindHost, or write "lan" or "loopback"',
  });
}
