import { describe, expect, it } from 'vitest';
import type { TreeNode } from '../api/argocd';
import { buildResources, flatten, foldTree, type TreeEntry } from './build';
import { layoutTree, nodeHeight, visible } from './layout';

let uid = 0;
const node = (kind: string, name: string, health?: string, parent?: TreeNode): TreeNode =>
  ({ kind, name, namespace: 'shop', uid: `u${uid++}`, ...(health ? { health: { status: health } } : {}), ...(parent ? { parents: [parent.uid!] } : {}) }) as TreeNode;

function shop(sick: boolean) {
  const web = node('Deployment', 'web', sick ? 'Degraded' : 'Healthy');
  const set = node('ReplicaSet', 'web-1', sick ? 'Degraded' : 'Healthy', web);
  const pods = Array.from({ length: 6 }, (_, i) => node('Pod', `web-1-${i}`, sick && i === 4 ? 'Degraded' : 'Healthy', set));
  const settings = Array.from({ length: 5 }, (_, i) => node('ConfigMap', `c${i}`));
  return [...pods, ...settings, set, web];
}

const none = new Set<string>();
const text = (entries: readonly TreeEntry[]) => flatten(entries).map(({ entry, depth }) => `${'  '.repeat(depth - 1)}${entry.group ? `${entry.group.count} ${entry.group.kind}` : entry.item!.node.name}${entry.hidden ? ` +${entry.hidden}` : ''}`);

describe('foldTree', () => {
  it('folds what is well', () => {
    expect(text(foldTree(buildResources(shop(false), []), '', none, none))).toEqual(['5 ConfigMap +5', 'web +7']);
  });

  it('opens branches with problems, and puts them first', () => {
    expect(text(foldTree(buildResources(shop(true), []), '', none, none))).toEqual(['web', '  web-1', '    web-1-4', '    5 Pod +5', '5 ConfigMap +5']);
  });

  it('unfolds all, but for what was closed', () => {
    const items = buildResources(shop(false), []);
    const everything = foldTree(items, '', new Set(['*']), none);
    expect(flatten(everything)).toHaveLength(13 + 2);
    expect(text(foldTree(items, '', new Set(['*']), new Set(['>ConfigMap'])))[0]).toBe('5 ConfigMap +5');
  });

  it('shows problems alone', () => {
    expect(text(foldTree(buildResources(shop(true), []), '', none, none, true))).toEqual(['web', '  web-1', '    web-1-4']);
    expect(foldTree(buildResources(shop(false), []), '', none, none, true)).toEqual([]);
  });
});

describe('buildResources', () => {
  it('takes what Git has and the cluster has not from the status', () => {
    const items = buildResources([], [{ kind: 'Service', name: 'web', status: 'OutOfSync' }]);
    expect(items.map((item) => [item.node.name, item.health, item.sync])).toEqual([['web', 'Missing', 'OutOfSync']]);
  });

  it('survives objects that claim to own each other', () => {
    const a = node('A', 'a');
    const b = node('B', 'b', undefined, a);
    a.parents = [b.uid!];
    const self = node('C', 'c');
    self.parents = [self.uid!];
    const items = buildResources([a, b, self], []);
    expect(items.reduce((sum, item) => sum + 1 + item.below, 0)).toBe(3);
  });

  it('marks orphans', () => {
    expect(buildResources([], [], [node('ConfigMap', 'x')])[0]!.orphaned).toBe(true);
  });
});

describe('layout', () => {
  const wide = foldTree(buildResources(Array.from({ length: 3000 }, (_, i) => node('ConfigMap', `c${i}`)), []), '', new Set(['*']), none);
  const layout = layoutTree({ id: '', children: wide, hidden: 0 });

  it('gives every node a place of its own', () => {
    expect(layout.nodes).toHaveLength(3002);
    expect(new Set(layout.nodes.map((each) => `${each.x}/${each.y}`)).size).toBe(3002);
    expect(Math.min(...layout.nodes.map((each) => each.y))).toBeGreaterThanOrEqual(0);
    expect(layout.height).toBe(Math.max(...layout.nodes.map((each) => each.y)) + nodeHeight);
  });

  it('draws what is in view, and the way from there to the root', () => {
    const drawn = visible(layout, 1000, 2000);
    expect(drawn.length).toBeLessThan(40);
    expect(drawn.some((each) => each.entry.id === '')).toBe(true);
    const leaves = drawn.filter((each) => each.entry.item);
    expect(leaves.length).toBeGreaterThan(10);
    expect(leaves.every((each) => each.y >= 1000 - nodeHeight && each.y <= 2000)).toBe(true);
  });
});
