import { useVirtualizer } from '@tanstack/react-virtual';
import { useEffect, useRef } from 'react';
import { Cell } from './cell';
import { useRemeasure } from './list-view';
import type { Matrix } from './matrix';
import type { RowFocus } from './row-focus';

const cellHeight = 74;

export function MatrixView({ matrix, focus }: { matrix: Matrix; focus: RowFocus }) {
  const scroll = useRef<HTMLDivElement>(null);
  const { rows, columns } = matrix;
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroll.current,
    estimateSize: (i) => (rows[i]?.depth ?? 1) * cellHeight,
    overscan: 2,
  });
  useRemeasure(virtual, rows);
  useEffect(() => {
    focus.count.current = rows.length;
    focus.scroller.current = (i) => virtual.scrollToIndex(i, { align: 'auto' });
  }, [focus, rows.length, virtual]);

  const template = { gridTemplateColumns: `var(--first, minmax(130px, 200px)) repeat(${columns.length}, minmax(250px, 1fr))` };
  return (
    <div className="scroller" ref={scroll} role="table" aria-label="Services by environment" aria-rowcount={rows.length + 1} tabIndex={0}>
      <div className="matrix-row matrix-head" role="row" aria-rowindex={1} style={template}>
        <div role="columnheader" className="sticky-column">
          Service
        </div>
        {columns.map((column) => (
          <div role="columnheader" key={column}>
            {column}
          </div>
        ))}
      </div>
      <div role="rowgroup" className="virtual" style={{ height: virtual.getTotalSize(), minWidth: 200 + columns.length * 250 }}>
        {virtual.getVirtualItems().map((item) => {
          const row = rows[item.index];
          if (!row) return null;
          return (
            <div key={row.key} role="row" aria-rowindex={item.index + 2} data-row={item.index} className="matrix-row virtual-row" style={{ ...template, height: item.size, transform: `translateY(${item.start}px)` }}>
              <div role="rowheader" className="sticky-column">
                <p className="strong truncate" title={row.service}>
                  {row.service}
                </p>
                <p className="muted small truncate">{row.project}</p>
              </div>
              {columns.map((column) => {
                const cell = row.cells.get(column);
                return (
                  <div role="cell" key={column} className="matrix-cell">
                    {cell ? cell.map((deployment) => <Cell key={`${deployment.namespace}/${deployment.name}`} row={deployment} alone={cell.length === 1} />) : <span className="muted none">—</span>}
                  </div>
                );
              })}
            </div>
          );
        })}
      </div>
    </div>
  );
}
