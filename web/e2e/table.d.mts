import type { DeploymentTable, TreeTable } from '../src/api/schema';

export function deploymentTable(items: readonly object[], environments: readonly string[], cursor: string): DeploymentTable;
export function treeTable(items: readonly object[]): TreeTable;
