// Rows and nodes by columns, as the server's tables have them (internal/server/table*.go).

class Texts {
  list = [''];
  seen = new Map([['', 0]]);
  lists = [[]];
  sets = new Map([['', 0]]);

  of(text = '') {
    if (!this.seen.has(text)) this.seen.set(text, this.list.push(text) - 1);
    return this.seen.get(text);
  }

  set(texts = []) {
    const numbers = texts.map((text) => this.of(text));
    const key = numbers.join();
    if (!this.sets.has(key)) this.sets.set(key, this.lists.push(numbers) - 1);
    return this.sets.get(key);
  }
}

const columns = (items, cells) => Object.fromEntries(Object.entries(cells).map(([name, cell]) => [name, items.map(cell)]));
const texts = (t, names) => Object.fromEntries(names.map((name) => [name, (item) => t.of(item[name])]));

export function deploymentTable(items, environments, cursor) {
  const t = new Texts();
  const commits = [{ revision: '' }];
  const known = new Map();
  const commit = (one) => {
    if (!one) return 0;
    const key = JSON.stringify(one);
    if (!known.has(key)) known.set(key, commits.push(one) - 1);
    return known.get(key);
  };
  const rows = columns(items, {
    ...texts(t, ['name', 'namespace', 'project', 'service', 'environment', 'repoURL', 'path', 'chart', 'targetRevision', 'destServer', 'destName', 'destNamespace', 'deployedAt', 'deployedBy', 'sync', 'health', 'operation', 'problem', 'window', 'created']),
    labels: (row) => t.set(Object.entries(row.labels ?? {}).sort().flat()),
    deployed: (row) => commit(row.deployed),
    wanted: (row) => commit(row.wanted),
    images: (row) => t.set(row.images),
    create: (row) => row.pending.create,
    update: (row) => row.pending.update,
    delete: (row) => row.pending.delete,
    policy: (row) => (row.autoSync ? 1 : 0) + (row.selfHeal ? 2 : 0) + (row.prune ? 4 : 0),
    can: (row) => t.set(row.can),
  });
  const told = columns(commits, { ...texts(t, ['revision', 'subject', 'author', 'date']), host: (one) => t.of(one.url?.slice(0, -one.revision.length)) });
  return { texts: t.list, lists: t.lists, commits: told, rows, environments, cursor };
}

export function treeTable(items) {
  const t = new Texts();
  // The server's order.
  const sorted = [...items].sort((a, b) => (a.group < b.group ? -1 : a.group > b.group ? 1 : a.kind < b.kind ? -1 : a.kind > b.kind ? 1 : a.name < b.name ? -1 : 1));
  const nodes = columns(sorted, {
    ...texts(t, ['group', 'version', 'kind', 'namespace', 'name', 'uid', 'createdAt', 'resourceVersion']),
    parents: (node) => t.set(node.parents),
    health: (node) => t.of(node.health?.status),
    healthMessage: (node) => t.of(node.health?.message),
    images: (node) => t.set(node.images),
    info: (node) => t.set((node.info ?? []).flatMap((each) => [each.name, each.value])),
  });
  return { texts: t.list, lists: t.lists, nodes, orphaned: 0 };
}
