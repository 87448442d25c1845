// Tables hold by columns what lists hold by rows, and each text once: the JSON of a large fleet is a third as long, and most of
// what it costs to show one is the reading of its JSON. Rows are written out field by field: a browser then gives all of them
// one shape, which it does not where names of fields come from data.
import type { ResourceTree, TreeNode } from './argocd';
import type { DeploymentTable, TreeTable } from './schema';
import type { Commit, Deployment, DeploymentList, HealthStatus, OperationPhase, SyncStatus, Verb } from './types';

type Column = number[] | null;

/** reader returns how the texts and the lists of a table are read; lists are made once, and shared. */
function reader(table: { texts: string[] | null; lists: (number[] | null)[] | null }) {
  const texts = table.texts ?? [];
  const lists = (table.lists ?? []).map((list) => (list ?? []).map((n) => texts[n]!));
  return {
    text: (column: Column, i: number) => texts[column![i]!]!,
    /** A text that is none, undefined. */
    some: (column: Column, i: number) => texts[column![i]!] || undefined,
    list: (column: Column, i: number) => lists[column![i]!]!,
    lists,
  };
}

const pairs = (list: readonly string[]) => list.flatMap((name, i) => (i % 2 ? [] : [[name, list[i + 1]!] as const]));

/** readDeployments makes the rows of a table. */
export function readDeployments(table: DeploymentTable): DeploymentList {
  const { text, some, list, lists } = reader(table);
  const { commits: c, rows: r } = table;
  const commits = (c.revision ?? []).map((_, i): Commit | undefined => {
    const revision = text(c.revision, i);
    const host = text(c.host, i);
    return i === 0 ? undefined : { revision, subject: text(c.subject, i), author: text(c.author, i), date: some(c.date, i) as string, url: host && host + revision };
  });
  const labels: Record<string, string>[] = [];
  const labelsOf = (n: number) => (labels[n] ??= Object.fromEntries(pairs(lists[n]!)));
  const policy = r.policy ?? [];
  const items = (r.name ?? []).map(
    (_, i): Deployment => ({
      name: text(r.name, i),
      namespace: text(r.namespace, i),
      project: text(r.project, i),
      service: text(r.service, i),
      environment: text(r.environment, i),
      labels: labelsOf(r.labels![i]!),
      repoURL: text(r.repoURL, i),
      path: text(r.path, i),
      chart: text(r.chart, i),
      targetRevision: text(r.targetRevision, i),
      destServer: text(r.destServer, i),
      destName: text(r.destName, i),
      destNamespace: text(r.destNamespace, i),
      deployed: commits[r.deployed![i]!] as Commit,
      deployedAt: some(r.deployedAt, i) as string,
      deployedBy: text(r.deployedBy, i),
      wanted: commits[r.wanted![i]!] as Commit,
      images: list(r.images, i),
      sync: text(r.sync, i) as SyncStatus,
      health: text(r.health, i) as HealthStatus,
      operation: text(r.operation, i) as OperationPhase,
      pending: { create: r.create![i]!, update: r.update![i]!, delete: r.delete![i]! },
      problem: text(r.problem, i),
      autoSync: (policy[i]! & 1) !== 0,
      selfHeal: (policy[i]! & 2) !== 0,
      prune: (policy[i]! & 4) !== 0,
      window: text(r.window, i),
      created: some(r.created, i) ?? null,
      can: list(r.can, i) as Verb[],
    }),
  );
  return { items, environments: table.environments, cursor: table.cursor };
}

/** readTree makes the nodes of a table. Of a node's parents only the UIDs are known. */
export function readTree(table: TreeTable): ResourceTree {
  const { text, some, list, lists } = reader(table);
  const { nodes: c } = table;
  const infos = new Map<number, { name: string; value: string }[]>();
  const infoOf = (n: number) => {
    let info = infos.get(n);
    if (!info) infos.set(n, (info = pairs(lists[n]!).map(([name, value]) => ({ name, value }))));
    return info;
  };
  const nodes = (c.name ?? []).map((_, i): TreeNode => {
    const node: TreeNode = {
      group: text(c.group, i),
      version: text(c.version, i),
      kind: text(c.kind, i),
      namespace: text(c.namespace, i),
      name: text(c.name, i),
      uid: text(c.uid, i),
      parents: list(c.parents, i),
      images: list(c.images, i),
      info: infoOf(c.info![i]!),
      resourceVersion: text(c.resourceVersion, i),
    };
    const created = some(c.createdAt, i);
    if (created) node.createdAt = created;
    const status = some(c.health, i) as HealthStatus | undefined;
    if (status) node.health = { status, message: text(c.healthMessage, i) };
    return node;
  });
  const own = nodes.length - table.orphaned;
  return { nodes: nodes.slice(0, own), orphanedNodes: nodes.slice(own) };
}
