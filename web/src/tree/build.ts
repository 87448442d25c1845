import type { ResourceStatus, TreeNode } from '../api/argocd';
import type { HealthStatus, SyncStatus } from '../api/types';
import { compareKeys, naturalKey } from '../format/order';

export interface ResourceItem {
  node: TreeNode;
  sync: SyncStatus | undefined;
  health: HealthStatus | undefined;
  orphaned: boolean;
  wave: number;
  requiresPruning: boolean;
  hook: boolean;
  children: ResourceItem[];
  /** The worst rank of the item and all below it. */
  concern: number;
  /** How many items are below it. */
  below: number;
}

const identity = (ref: { group?: string; kind: string; namespace?: string; name: string }) => `${ref.group ?? ''}/${ref.kind}/${ref.namespace ?? ''}/${ref.name}`;

const ranks: Partial<Record<HealthStatus, number>> = { Degraded: 0, Missing: 1, Progressing: 3, Suspended: 4 };

function rank(item: ResourceItem): number {
  const health = item.health ? (ranks[item.health] ?? 9) : 9;
  const sync = item.sync === 'OutOfSync' || item.requiresPruning ? 2 : 9;
  return Math.min(health, sync);
}

export const quiet = 9;

/** buildResources joins the tree of objects with their sync status, problems first. */
export function buildResources(nodes: readonly TreeNode[], statuses: readonly ResourceStatus[], orphans: readonly TreeNode[] = []): ResourceItem[] {
  const byUID = new Map<string, ResourceItem>();
  const byIdentity = new Map<string, ResourceItem>();
  const items: ResourceItem[] = [];
  const add = (node: TreeNode, orphaned: boolean) => {
    const item: ResourceItem = { node, sync: undefined, health: node.health?.status, orphaned, wave: 0, requiresPruning: false, hook: false, children: [], concern: quiet, below: 0 };
    items.push(item);
    if (node.uid) byUID.set(node.uid, item);
    byIdentity.set(identity(node), item);
    return item;
  };
  for (const node of nodes) add(node, false);
  for (const node of orphans) add(node, true);
  for (const status of statuses) {
    // What Git has and the cluster has not is in no tree.
    const item = byIdentity.get(identity(status)) ?? add({ ...status, health: status.health ?? { status: 'Missing' } }, false);
    item.sync = status.status;
    item.health = status.health?.status ?? item.health;
    item.wave = status.syncWave ?? 0;
    item.requiresPruning = status.requiresPruning ?? false;
    item.hook = status.hook ?? false;
  }

  const roots: ResourceItem[] = [];
  for (const item of items) {
    let parent: ResourceItem | undefined;
    for (const uid of item.node.parents ?? []) {
      const found = byUID.get(uid);
      if (found && found !== item) {
        parent = found;
        break;
      }
    }
    if (parent && !isBelow(parent, item)) parent.children.push(item);
    else roots.push(item);
  }
  for (const root of roots) finish(root);
  return sortItems(roots);
}

// Owner references of objects that claim each other would make a ring.
function isBelow(item: ResourceItem, ancestor: ResourceItem): boolean {
  const stack = [...ancestor.children];
  while (stack.length) {
    const next = stack.pop()!;
    if (next === item) return true;
    stack.push(...next.children);
  }
  return false;
}

function sortItems(items: ResourceItem[]): ResourceItem[] {
  if (items.length < 2) return items;
  // Keys are made once for each item, not once for each comparison.
  const keyed = items.map((item) => ({ item, name: naturalKey(item.node.name) }));
  keyed.sort((a, b) => a.item.concern - b.item.concern || compareKeys(a.item.node.kind, b.item.node.kind) || compareKeys(a.name, b.name));
  for (const [i, { item }] of keyed.entries()) items[i] = item;
  return items;
}

function finish(item: ResourceItem): void {
  item.concern = rank(item);
  for (const child of item.children) {
    finish(child);
    item.concern = Math.min(item.concern, child.concern);
    item.below += 1 + child.below;
  }
  sortItems(item.children);
}

/** TreeEntry is what the tree draws: an object, or a group of objects of one kind that are well. */
export interface TreeEntry {
  id: string;
  item?: ResourceItem;
  group?: { kind: string; count: number };
  children: TreeEntry[];
  /** Objects below that are not drawn. */
  hidden: number;
}

const foldFrom = 4;

export const itemId = (item: ResourceItem) => item.node.uid || identity(item.node);

/**
 * foldTree decides what is drawn: branches with problems are open, branches that are well are closed, and several objects of
 * one kind that are well become one group. opened and closed hold what a person decided otherwise.
 */
export function foldTree(items: readonly ResourceItem[], parent: string, opened: ReadonlySet<string>, closed: ReadonlySet<string>, problemsOnly = false): TreeEntry[] {
  const entries: TreeEntry[] = [];
  const groups = new Map<string, ResourceItem[]>();
  for (const item of items) {
    if (problemsOnly && item.concern === quiet) continue;
    if (item.concern < quiet) entries.push(entryOf(item, opened, closed, problemsOnly));
    else {
      const group = groups.get(item.node.kind);
      if (group) group.push(item);
      else groups.set(item.node.kind, [item]);
    }
  }
  for (const [kind, members] of groups) {
    const id = `${parent}>${kind}`;
    if (members.length < foldFrom) {
      entries.push(...members.map((item) => entryOf(item, opened, closed, problemsOnly)));
      continue;
    }
    const open = opened.has('*') ? !closed.has(id) : opened.has(id);
    const hidden = members.reduce((sum, item) => sum + 1 + item.below, 0);
    entries.push({ id, group: { kind, count: members.length }, hidden: open ? 0 : hidden, children: open ? members.map((item) => entryOf(item, opened, closed, problemsOnly)) : [] });
  }
  return entries;
}

function entryOf(item: ResourceItem, opened: ReadonlySet<string>, closed: ReadonlySet<string>, problemsOnly: boolean): TreeEntry {
  const id = itemId(item);
  const open = item.children.length > 0 && !closed.has(id) && (item.concern < quiet || opened.has(id) || opened.has('*'));
  return { id, item, hidden: open ? 0 : item.below, children: open ? foldTree(item.children, id, opened, closed, problemsOnly) : [] };
}

/** flatten lists the tree's items with their depth, for the list view. */
export function flatten(entries: readonly TreeEntry[], depth = 1, into: { entry: TreeEntry; depth: number }[] = []): { entry: TreeEntry; depth: number }[] {
  for (const entry of entries) {
    into.push({ entry, depth });
    flatten(entry.children, depth + 1, into);
  }
  return into;
}
