import { memo, useEffect, useLayoutEffect, useMemo, useRef, useState } from 'react';
import { Icon } from '../components/icon';
import { Health, healthTone, Sync } from '../components/status';
import { layoutTree, nodeHeight, nodeWidth, visible, type Placed } from '../tree/layout';
import type { ResourceItem, TreeEntry } from '../tree/build';

interface Props {
  name: string;
  health: string | undefined;
  entries: TreeEntry[];
  selected: ResourceItem | undefined;
  onSelect: (item: ResourceItem) => void;
  onToggle: (entry: TreeEntry, open: boolean) => void;
}

const margin = 16;
const beyond = 400;

/** TreeView draws the ownership tree from left to right, and of it only what is in view. */
export function TreeView({ name, health, entries, selected, onSelect, onToggle }: Props) {
  const scroll = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ top: 0, height: 900 });
  const layout = useMemo(() => layoutTree({ id: '', children: entries, hidden: 0 }), [entries]);

  useLayoutEffect(() => {
    const element = scroll.current;
    if (!element) return;
    const measure = () => setView({ top: element.scrollTop, height: element.clientHeight });
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  // A tree is read from its root, which stands in the middle of its height.
  const placed = useRef(false);
  useEffect(() => {
    const element = scroll.current;
    if (!element || placed.current) return;
    placed.current = true;
    const root = layout.nodes.find((node) => node.entry.id === '');
    if (root && layout.height > element.clientHeight * 2) element.scrollTop = 0;
    else if (root) element.scrollTop = root.y + nodeHeight / 2 - element.clientHeight / 2;
  }, [layout]);

  const nodes = useMemo(() => visible(layout, view.top - beyond, view.top + view.height + beyond), [layout, view]);
  return (
    <div className="tree-scroll" ref={scroll} tabIndex={0} role="group" aria-label="Resource tree; the list view holds the same for screen readers" onScroll={(event) => setView({ top: event.currentTarget.scrollTop, height: event.currentTarget.clientHeight })}>
      <div className="tree-canvas" style={{ width: layout.width + margin * 2, height: layout.height + margin * 2 }}>
        <svg className="tree-lines" width={layout.width + margin * 2} height={view.height + beyond * 2} style={{ top: Math.max(0, view.top - beyond) }} aria-hidden="true">
          <g transform={`translate(${margin} ${margin - Math.max(0, view.top - beyond)})`}>
            {nodes.map((node) => node.parent && <path key={node.entry.id} d={line(node.parent, node)} />)}
          </g>
        </svg>
        {nodes.map((node) => (
          <TreeBox
            key={node.entry.id}
            entry={node.entry}
            x={node.x + margin}
            y={node.y + margin}
            name={name}
            health={health}
            isSelected={selected !== undefined && node.entry.item?.node === selected.node}
            onSelect={onSelect}
            onToggle={onToggle}
          />
        ))}
      </div>
    </div>
  );
}

function line(from: Placed, to: Placed): string {
  const x1 = from.x + nodeWidth;
  const y1 = from.y + nodeHeight / 2;
  const y2 = to.y + nodeHeight / 2;
  const middle = x1 + (to.x - x1) / 2;
  return `M${x1} ${y1}H${middle}V${y2}H${to.x}`;
}

interface BoxProps {
  entry: TreeEntry;
  x: number;
  y: number;
  name: string;
  health: string | undefined;
  isSelected: boolean;
  onSelect: (item: ResourceItem) => void;
  onToggle: (entry: TreeEntry, open: boolean) => void;
}

const TreeBox = memo(function TreeBox({ entry, x, y, name, health, isSelected, onSelect, onToggle }: BoxProps) {
  const { item, group } = entry;
  const place = { left: x, top: y, width: nodeWidth, height: nodeHeight };
  if (group) {
    const open = entry.children.length > 0;
    return (
      <button type="button" className="tree-node group" style={place} aria-expanded={open} onClick={() => onToggle(entry, !open)}>
        <span className="grow">
          <span className="strong">{group.count}</span> × {group.kind}
        </span>
        <Health status="Healthy" compact />
        <Icon name={open ? 'down' : 'right'} />
      </button>
    );
  }
  if (!item) {
    return (
      <div className={`tree-node root edge-${healthTone(health)}`} style={place}>
        <span className="truncate strong">{name}</span>
        <Health status={health} compact />
      </div>
    );
  }
  const { node } = item;
  const foldable = item.children.length > 0;
  const open = entry.children.length > 0;
  return (
    <div className={`tree-node edge-${item.health ? healthTone(item.health) : item.sync === 'OutOfSync' ? 'warn' : 'none'}${isSelected ? ' selected' : ''}`} style={place}>
      <button type="button" className="tree-open" onClick={() => onSelect(item)} title={`${node.kind} ${node.namespace ? node.namespace + '/' : ''}${node.name}`}>
        <span className="truncate strong">{node.name}</span>
        <span className="muted small truncate">
          {node.kind}
          {item.hook && ' · hook'}
          {item.orphaned && ' · orphaned'}
          {item.requiresPruning && ' · to be pruned'}
        </span>
      </button>
      <span className="row tree-marks">
        {item.health && <Health status={item.health} compact />}
        {item.sync && item.sync !== 'Synced' && <Sync status={item.sync} compact />}
        {foldable && (
          <button type="button" className="tree-fold" aria-expanded={open} aria-label={open ? `Fold ${node.name}` : `Unfold ${node.name}, ${item.below} below`} onClick={() => onToggle(entry, !open)}>
            {open ? <Icon name="minus" /> : <span className="small">+{entry.hidden}</span>}
          </button>
        )}
      </span>
    </div>
  );
});
