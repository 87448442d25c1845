import { useVirtualizer } from '@tanstack/react-virtual';
import { useEffect, useRef, useSyncExternalStore } from 'react';
import { Link } from 'wouter';
import type { Deployment } from '../api/types';
import { Counts } from '../components/parts';
import { Health, Operation, Sync } from '../components/status';
import { Time } from '../components/time';
import { short } from '../format/revision';
import { keyOf } from '../state/deployments';
import { appPath } from '../state/paths';
import { Favourite, Images, notable, Who } from './cell';
import { destination } from './filter';
import type { RowFocus } from './row-focus';

const narrow = typeof window.matchMedia === 'function' ? window.matchMedia('(max-width: 900px)') : undefined;

/** useNarrow says that a row needs two lines. */
export function useNarrow(): boolean {
  return useSyncExternalStore(
    (listener) => {
      narrow?.addEventListener('change', listener);
      return () => narrow?.removeEventListener('change', listener);
    },
    () => narrow?.matches ?? false,
  );
}

/** useRemeasure forgets the sizes of rows when they have become others; those of the first drawing are no others. */
export function useRemeasure(virtual: { measure(): void }, sizes: unknown): void {
  const measured = useRef(sizes);
  useEffect(() => {
    if (measured.current === sizes) return;
    measured.current = sizes;
    virtual.measure();
  }, [virtual, sizes]);
}

export function ListView({ rows, focus, starred }: { rows: readonly Deployment[]; focus: RowFocus; starred: ReadonlySet<string> }) {
  const scroll = useRef<HTMLDivElement>(null);
  const height = useNarrow() ? 88 : 48;
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroll.current,
    estimateSize: () => height,
    overscan: 4,
  });
  useRemeasure(virtual, height);
  useEffect(() => {
    focus.count.current = rows.length;
    focus.scroller.current = (i) => virtual.scrollToIndex(i, { align: 'auto' });
  }, [focus, rows.length, virtual]);

  return (
    <div className="scroller" ref={scroll} role="table" aria-label="Deployments" aria-rowcount={rows.length + 1} tabIndex={0}>
      <div className="list-row list-head" role="row" aria-rowindex={1}>
        <div role="columnheader">
          <span className="visually-hidden">Favourite</span>
        </div>
        <div role="columnheader">Name</div>
        <div role="columnheader">Status</div>
        <div role="columnheader">A sync would</div>
        <div role="columnheader">Deployed</div>
        <div role="columnheader">Image</div>
        <div role="columnheader">When, by whom</div>
      </div>
      <div role="rowgroup" className="virtual" style={{ height: virtual.getTotalSize() }}>
        {virtual.getVirtualItems().map((item) => {
          const row = rows[item.index];
          if (!row) return null;
          return (
            <div key={keyOf(row)} role="row" aria-rowindex={item.index + 2} data-row={item.index} className="list-row virtual-row" style={{ height: item.size, transform: `translateY(${item.start}px)` }}>
              <div role="cell" className="l-star">
                <Favourite row={row} starred={starred} />
              </div>
              <div role="cell" className="l-name">
                <Link to={appPath(row)} className="truncate strong">
                  {row.name}
                </Link>
                <p className="muted small truncate">
                  {row.project} · {destination(row)}/{row.destNamespace}
                </p>
              </div>
              <div role="cell" className="l-status">
                <Health status={row.health} />
                <Sync status={row.sync} />
                <Operation phase={notable(row.operation)} compact />
              </div>
              <div role="cell" className="l-counts">
                <Counts counts={row.pending} />
              </div>
              <div role="cell" className="l-commit truncate" title={row.problem || row.deployed?.subject}>
                {row.problem ? (
                  <span className="problem">{row.problem}</span>
                ) : row.deployed ? (
                  <>
                    <code>{short(row.deployed.revision)}</code> {row.deployed.subject}
                  </>
                ) : (
                  <span className="muted">nothing deployed</span>
                )}
              </div>
              <div role="cell" className="l-image truncate small">
                <Images images={row.images} />
              </div>
              <div role="cell" className="l-when small truncate">
                {row.deployedAt && (
                  <>
                    <Time at={row.deployedAt} /> <span className="muted">by <Who name={row.deployedBy} /></span>
                  </>
                )}
              </div>
            </div>
          );
        })}
      </div>
    </div>
  );
}
