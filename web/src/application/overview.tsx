import { useCallback, useMemo, useState } from 'react';
import { Empty, Failure, Loading } from '../components/parts';
import { plural } from '../format/revision';
import { nodeParam, parseNode } from '../state/paths';
import { useQueryString } from '../state/url';
import { buildResources, foldTree, quiet, type ResourceItem, type TreeEntry } from '../tree/build';
import { useApplication } from './data';
import { ResourceList } from './resource-list';
import { ResourcePanel } from './resource-panel';
import { PodsView } from './pods-view';
import { TreeView } from './tree-view';

type View = 'tree' | 'list' | 'pods';

const none: ReadonlySet<string> = new Set();
const all: ReadonlySet<string> = new Set(['*']);

/** find returns the item that the address names. */
function find(items: readonly ResourceItem[], node: string | null): ResourceItem | undefined {
  const ref = parseNode(node);
  if (!ref) return undefined;
  const stack = [...items];
  while (stack.length) {
    const item = stack.pop()!;
    const { node: here } = item;
    if (here.name === ref.name && here.kind === ref.kind && (!ref.namespace || (here.namespace ?? '') === ref.namespace) && (!ref.group || (here.group ?? '') === ref.group)) return item;
    stack.push(...item.children);
  }
  return undefined;
}

function search(items: readonly ResourceItem[], text: string): ResourceItem[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  if (!words.length) return items as ResourceItem[];
  const matches = (item: ResourceItem) => {
    const line = `${item.node.kind}/${item.node.name} ${item.health ?? ''} ${item.sync ?? ''} ${item.node.namespace ?? ''}`.toLowerCase();
    return words.every((word) => line.includes(word));
  };
  return items.flatMap((item) => {
    if (matches(item)) return [item];
    const children = search(item.children, text);
    return children.length ? [{ ...item, children }] : [];
  });
}

/** Overview shows the application's objects: as a tree, as a list, or its pods. */
export function Overview() {
  const { key, application, tree, can } = useApplication();
  const [params, change] = useQueryString();
  const [opened, setOpened] = useState(none);
  const [closed, setClosed] = useState(none);
  const [text, setText] = useState('');
  const problemsOnly = params.get('problems') === 'true';
  const withOrphans = params.get('orphaned') === 'true';
  const wanted = params.get('view');
  const preferred = application.data?.metadata.annotations?.['pref.argocd.argoproj.io/default-view'];
  const view: View = [wanted, preferred].map((each) => (each === 'list' || each === 'pods' || each === 'tree' ? each : undefined)).find(Boolean) ?? (window.matchMedia?.('(max-width: 700px)').matches ? 'list' : 'tree');

  const items = useMemo(
    () => (tree.data ? buildResources(tree.data.nodes ?? [], application.data?.status?.resources ?? [], withOrphans ? (tree.data.orphanedNodes ?? []) : []) : []),
    [tree.data, application.data?.status?.resources, withOrphans],
  );
  const shown = useMemo(() => search(items, text), [items, text]);
  const entries = useMemo(() => foldTree(shown, '', text ? all : opened, closed, problemsOnly), [shown, opened, closed, problemsOnly, text]);
  const count = useMemo(() => items.reduce((sum, item) => sum + 1 + item.below, 0), [items]);
  const problems = useMemo(() => countProblems(items), [items]);
  const selected = useMemo(() => find(items, params.get('node')), [items, params]);

  const toggle = useCallback((entry: TreeEntry, open: boolean) => {
    const put = (set: ReadonlySet<string>, on: boolean) => {
      const next = new Set(set);
      if (on) next.add(entry.id);
      else next.delete(entry.id);
      return next;
    };
    setOpened((set) => put(set, open));
    setClosed((set) => put(set, !open));
  }, []);
  const select = useCallback((item: ResourceItem | undefined) => change({ node: item ? nodeParam(item.node) : undefined, tab: undefined }, true), [change]);

  if (!tree.data) return tree.error ? <Failure error={tree.error} what="the resources" retry={tree.reload} /> : <Loading what="the resources" />;
  return (
    <div className="overview">
      <div className="row wrap toolbar">
        <div className="segments" role="group" aria-label="View of the resources">
          {(['tree', 'list', 'pods'] as const).map((each) => (
            <button key={each} type="button" aria-pressed={view === each} onClick={() => change({ view: each }, true)}>
              {each[0]!.toUpperCase() + each.slice(1)}
            </button>
          ))}
        </div>
        <input className="input" type="search" placeholder="Kind, name, status" aria-label="Search resources" value={text} onChange={(event) => setText(event.target.value)} />
        <label className="check">
          <input type="checkbox" checked={problemsOnly} onChange={(event) => change({ problems: event.target.checked ? 'true' : undefined })} />
          Problems only
        </label>
        {(tree.data.orphanedNodes?.length ?? 0) > 0 && (
          <label className="check">
            <input type="checkbox" checked={withOrphans} onChange={(event) => change({ orphaned: event.target.checked ? 'true' : undefined })} />
            Orphaned
          </label>
        )}
        <button type="button" className="button small" onClick={() => { setOpened(all); setClosed(none); }}>
          Unfold all
        </button>
        <button type="button" className="button small" onClick={() => { setOpened(none); setClosed(none); }}>
          Fold
        </button>
        <span className="muted small" role="status">
          {plural(count, 'resource')}
          {problems > 0 && `, ${plural(problems, 'problem')}`}
        </span>
      </div>
      <div className={selected ? 'split with-panel' : 'split'}>
        <div className="grow split-main">
          {count === 0 && <Empty title="No resources">The application has no objects yet. Review and sync creates them.</Empty>}
          {count > 0 && entries.length === 0 && <Empty title={problemsOnly ? 'No problems' : 'Nothing matches'}>{problemsOnly ? 'Every resource is in sync and healthy.' : ''}</Empty>}
          {entries.length > 0 && view === 'tree' && <TreeView name={key.name} health={application.data?.status?.health?.status} entries={entries} selected={selected} onSelect={select} onToggle={toggle} />}
          {entries.length > 0 && view === 'list' && <ResourceList entries={entries} selected={selected} onSelect={select} onToggle={toggle} />}
          {view === 'pods' && <PodsView items={shown} selected={selected} onSelect={select} />}
        </div>
        {selected && <ResourcePanel key={nodeParam(selected.node)} item={selected} onClose={() => select(undefined)} canLogs={can('logs')} />}
      </div>
    </div>
  );
}

function countProblems(items: readonly ResourceItem[]): number {
  let sum = 0;
  for (const item of items) {
    if (item.concern === quiet) continue;
    const own = (item.health && /Degraded|Missing|Progressing|Suspended/.test(item.health)) || item.sync === 'OutOfSync' || item.requiresPruning;
    sum += (own ? 1 : 0) + countProblems(item.children);
  }
  return sum;
}
