import { useVirtualizer } from '@tanstack/react-virtual';
import { useEffect, useLayoutEffect, useRef, useState } from 'react';
import { Link } from 'wouter';
import type { Deployment } from '../api/types';
import { Counts } from '../components/parts';
import { Health, healthTone, Operation, Sync } from '../components/status';
import { Time } from '../components/time';
import { repository, short } from '../format/revision';
import { appPath } from '../state/paths';
import { Favourite, Images, notable, Who } from './cell';
import { destination } from './filter';
import type { RowFocus } from './row-focus';

const tileWidth = 320;
const tileHeight = 176;

export function TileView({ rows, focus, starred }: { rows: readonly Deployment[]; focus: RowFocus; starred: ReadonlySet<string> }) {
  const scroll = useRef<HTMLDivElement>(null);
  const [columns, setColumns] = useState(1);
  useLayoutEffect(() => {
    const element = scroll.current;
    if (!element) return;
    const fit = () => setColumns(Math.max(1, Math.floor(element.clientWidth / tileWidth)));
    fit();
    const observer = new ResizeObserver(fit);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  const virtual = useVirtualizer({ count: Math.ceil(rows.length / columns), getScrollElement: () => scroll.current, estimateSize: () => tileHeight, overscan: 3 });
  useEffect(() => {
    focus.count.current = rows.length;
    focus.scroller.current = (i) => virtual.scrollToIndex(Math.floor(i / columns), { align: 'auto' });
  }, [focus, rows.length, virtual, columns]);

  return (
    <div className="scroller plain" ref={scroll} role="list" aria-label="Deployments" tabIndex={0}>
      <div className="virtual" role="presentation" style={{ height: virtual.getTotalSize() }}>
        {virtual.getVirtualItems().map((line) => (
          <div key={line.key} className="virtual-row tile-line" role="presentation" style={{ height: line.size, transform: `translateY(${line.start}px)`, gridTemplateColumns: `repeat(${columns}, minmax(0, 1fr))` }}>
            {rows.slice(line.index * columns, (line.index + 1) * columns).map((row, i) => (
              <Tile key={`${row.namespace}/${row.name}`} row={row} index={line.index * columns + i} starred={starred} />
            ))}
          </div>
        ))}
      </div>
    </div>
  );
}

function Tile({ row, index, starred }: { row: Deployment; index: number; starred: ReadonlySet<string> }) {
  return (
    <div role="listitem" className={`card tile edge-${row.sync === 'OutOfSync' && row.health === 'Healthy' ? 'warn' : healthTone(row.health)}`} data-row={index}>
      <div className="row spread">
        <Link to={appPath(row)} className="strong truncate">
          {row.name}
        </Link>
        <Favourite row={row} starred={starred} />
      </div>
      <div className="row wrap">
        <Health status={row.health} />
        <Sync status={row.sync} />
        <Operation phase={notable(row.operation)} />
        <Counts counts={row.pending} />
      </div>
      <p className="truncate small" title={row.problem || row.deployed?.subject}>
        {row.problem ? <span className="problem">{row.problem}</span> : row.deployed ? <><code>{short(row.deployed.revision)}</code> {row.deployed.subject}</> : <span className="muted">nothing deployed</span>}
      </p>
      <p className="small truncate">
        <Images images={row.images} />
      </p>
      <p className="small muted truncate" title={row.repoURL}>
        {repository(row.repoURL)} · {row.path || row.chart} · {row.targetRevision || 'HEAD'}
      </p>
      <p className="small muted truncate">
        {destination(row)}/{row.destNamespace}
        {row.deployedAt && (
          <>
            {' '}
            · <Time at={row.deployedAt} /> by <Who name={row.deployedBy} />
          </>
        )}
      </p>
    </div>
  );
}
