import type { Deployment } from '../api/types';
import { compareKeys, naturalKey } from '../format/order';
import { byName, compareText, concern } from './order';

export interface MatrixRow {
  service: string;
  project: string;
  /** The worst of the row's concerns. */
  concern: number;
  cells: Map<string, Deployment[]>;
  /** How many deployments the fullest cell holds. */
  depth: number;
  /** What rows are ordered by. */
  key: string;
}

export interface Matrix {
  columns: string[];
  rows: MatrixRow[];
}

const none = 'other';

/** buildMatrix arranges deployments by service and environment; columns that nothing is in are left out. */
export function buildMatrix(deployments: readonly Deployment[], environments: readonly string[], order: 'attention' | 'name'): Matrix {
  const used = new Set<string>();
  const rows = new Map<string, MatrixRow>();
  for (const deployment of deployments) {
    const environment = deployment.environment || none;
    used.add(environment);
    // Services of two projects may share a name without having to do with each other.
    const key = `${deployment.project}\n${deployment.service || deployment.name}`;
    let row = rows.get(key);
    if (!row) {
      row = { service: deployment.service || deployment.name, project: deployment.project, concern: 9, cells: new Map(), depth: 1, key: naturalKey(deployment.service || deployment.name) + '\u0001' + naturalKey(deployment.project) };
      rows.set(key, row);
    }
    const cell = row.cells.get(environment);
    if (cell) cell.push(deployment);
    else row.cells.set(environment, [deployment]);
    row.depth = Math.max(row.depth, row.cells.get(environment)?.length ?? 1);
    row.concern = Math.min(row.concern, concern(deployment));
  }
  for (const row of rows.values()) for (const cell of row.cells.values()) if (cell.length > 1) cell.sort(byName);
  const columns = environments.filter((environment) => used.delete(environment));
  columns.push(...[...used].sort(compareText));
  return { columns, rows: [...rows.values()].sort((a, b) => (order === 'attention' ? a.concern - b.concern : 0) || compareKeys(a.key, b.key)) };
}
