import type { Deployment } from '../api/types';
import { compareKeys, naturalKey } from '../format/order';

// One collator for all comparisons: localeCompare makes one for each, which costs thirty times as much.
const collator = new Intl.Collator('en', { numeric: true, sensitivity: 'base' });

export const compareText = (a: string, b: string) => collator.compare(a, b);

/** concern ranks a row: what somebody should look at first has the smallest number. */
export function concern(row: Deployment): number {
  if (row.operation === 'Failed' || row.operation === 'Error') return 0;
  if (row.health === 'Degraded') return 1;
  if (row.health === 'Missing') return 2;
  if (row.operation === 'Running' || row.operation === 'Terminating') return 3;
  if (row.sync === 'OutOfSync') return 4;
  if (row.health === 'Progressing') return 5;
  if (row.health === 'Suspended') return 6;
  if (row.sync !== 'Synced' || row.health !== 'Healthy') return 7;
  return 8;
}

export type SortKey = 'attention' | 'name' | 'deployed' | 'environment' | 'project';

export const sortKeys: readonly { key: SortKey; title: string }[] = [
  { key: 'attention', title: 'Needs attention' },
  { key: 'name', title: 'Name' },
  { key: 'deployed', title: 'Last deployed' },
  { key: 'environment', title: 'Environment' },
  { key: 'project', title: 'Project' },
];

const keys = new WeakMap<Deployment, string>();

/** keyOf is what a row is ordered by where nothing else tells two apart: its name, then its namespace. */
function keyOf(row: Deployment): string {
  let key = keys.get(row);
  if (key === undefined) {
    // A name has no character that is smaller than the separator.
    key = naturalKey(row.name) + '\u0001' + naturalKey(row.namespace);
    keys.set(row, key);
  }
  return key;
}

export const byName = (a: Deployment, b: Deployment) => compareKeys(keyOf(a), keyOf(b));

export function sortRows(rows: readonly Deployment[], key: SortKey, environments: readonly string[]): Deployment[] {
  const sorted = [...rows];
  const rank = new Map(environments.map((name, i) => [name, i]));
  switch (key) {
    case 'attention': {
      const buckets: Deployment[][] = Array.from({ length: 9 }, () => []);
      for (const row of rows) buckets[concern(row)]!.push(row);
      return buckets.flatMap((bucket) => bucket.sort(byName));
    }
    case 'deployed':
      return sorted.sort((a, b) => compareKeys(b.deployedAt ?? '', a.deployedAt ?? '') || byName(a, b));
    case 'environment':
      return sorted.sort((a, b) => (rank.get(a.environment) ?? 999) - (rank.get(b.environment) ?? 999) || byName(a, b));
    case 'project':
      return sorted.sort((a, b) => compareKeys(a.project, b.project) || byName(a, b));
    default:
      return sorted.sort(byName);
  }
}
