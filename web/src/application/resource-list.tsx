import { useVirtualizer } from '@tanstack/react-virtual';
import { useMemo, useRef, useState, type KeyboardEvent } from 'react';
import { Icon } from '../components/icon';
import { Health, Sync } from '../components/status';
import { Time } from '../components/time';
import { flatten, type ResourceItem, type TreeEntry } from '../tree/build';

interface Props {
  entries: TreeEntry[];
  selected: ResourceItem | undefined;
  onSelect: (item: ResourceItem) => void;
  onToggle: (entry: TreeEntry, open: boolean) => void;
}

const rowHeight = 36;

/** ResourceList is the tree as a treegrid: arrow keys move, open and close; Enter opens the resource. */
export function ResourceList({ entries, selected, onSelect, onToggle }: Props) {
  const scroll = useRef<HTMLDivElement>(null);
  const rows = useMemo(() => flatten(entries), [entries]);
  const [active, setActive] = useState(0);
  const now = Math.min(active, rows.length - 1);
  const virtual = useVirtualizer({ count: rows.length, getScrollElement: () => scroll.current, estimateSize: () => rowHeight, overscan: 12, getItemKey: (i) => rows[i]!.entry.id });

  const go = (index: number) => {
    const next = Math.max(0, Math.min(rows.length - 1, index));
    setActive(next);
    virtual.scrollToIndex(next, { align: 'auto' });
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const row = rows[now];
    if (!row || event.ctrlKey || event.metaKey || event.altKey) return;
    const open = row.entry.children.length > 0;
    const foldable = row.entry.group !== undefined || (row.entry.item?.children.length ?? 0) > 0;
    switch (event.key) {
      case 'ArrowDown':
      case 'j':
        go(now + 1);
        break;
      case 'ArrowUp':
      case 'k':
        go(now - 1);
        break;
      case 'Home':
        go(0);
        break;
      case 'End':
        go(rows.length - 1);
        break;
      case 'ArrowRight':
        if (foldable && !open) onToggle(row.entry, true);
        else if (open) go(now + 1);
        break;
      case 'ArrowLeft': {
        if (open) onToggle(row.entry, false);
        else {
          let parent = now - 1;
          while (parent > 0 && rows[parent]!.depth >= row.depth) parent--;
          go(parent);
        }
        break;
      }
      case 'Enter':
      case ' ':
        if (row.entry.item) onSelect(row.entry.item);
        else onToggle(row.entry, !open);
        break;
      default:
        return;
    }
    event.preventDefault();
    event.stopPropagation();
  };

  return (
    <div className="scroller" ref={scroll} role="treegrid" aria-label="Resources" aria-rowcount={rows.length} tabIndex={0} aria-activedescendant={rows.length ? `resource-${now}` : undefined} onKeyDown={onKeyDown}>
      <div className="resource-row list-head" role="row">
        <div role="columnheader">Resource</div>
        <div role="columnheader">Health</div>
        <div role="columnheader">Sync</div>
        <div role="columnheader" className="r-namespace">
          Namespace
        </div>
        <div role="columnheader" className="r-age">
          Age
        </div>
      </div>
      <div role="rowgroup" className="virtual" style={{ height: virtual.getTotalSize() }}>
        {virtual.getVirtualItems().map((line) => {
          const { entry, depth } = rows[line.index]!;
          const { item, group } = entry;
          const open = entry.children.length > 0;
          const foldable = group !== undefined || (item?.children.length ?? 0) > 0;
          return (
            <div
              key={line.key}
              id={`resource-${line.index}`}
              role="row"
              aria-level={depth}
              aria-expanded={foldable ? open : undefined}
              aria-selected={item !== undefined && item.node === selected?.node}
              className={`resource-row virtual-row${line.index === now ? ' active' : ''}${item && item.node === selected?.node ? ' selected' : ''}`}
              style={{ height: line.size, transform: `translateY(${line.start}px)` }}
              onClick={() => {
                setActive(line.index);
                if (item) onSelect(item);
                else onToggle(entry, !open);
              }}
            >
              <div role="gridcell" className="row" style={{ paddingLeft: 8 + (depth - 1) * 20 }}>
                {foldable ? (
                  <span
                    className="fold"
                    onClick={(event) => {
                      event.stopPropagation();
                      onToggle(entry, !open);
                    }}
                  >
                    <Icon name={open ? 'down' : 'right'} />
                  </span>
                ) : (
                  <span className="fold" />
                )}
                {group ? (
                  <span>
                    <span className="strong">{group.count}</span> × {group.kind}, all well
                  </span>
                ) : (
                  <span className="truncate">
                    <span className="muted">{item!.node.kind}</span> {item!.node.name}
                    {item!.requiresPruning && <span className="tone-bad small"> to be pruned</span>}
                    {item!.orphaned && <span className="muted small"> orphaned</span>}
                  </span>
                )}
              </div>
              <div role="gridcell">{group ? <Health status="Healthy" /> : item!.health && <Health status={item!.health} />}</div>
              <div role="gridcell">{item?.sync && <Sync status={item.sync} />}</div>
              <div role="gridcell" className="truncate r-namespace">
                {item?.node.namespace}
              </div>
              <div role="gridcell" className="r-age">
                {item?.node.createdAt && <Time at={item.node.createdAt} />}
              </div>
            </div>
          );
        })}
      </div>
    </div>
  );
}
