import { useCallback, useMemo, useRef, type RefObject } from 'react';

export interface RowFocus {
  container: RefObject<HTMLDivElement | null>;
  /** Brings a row into view; the view sets it. */
  scroller: RefObject<((index: number) => void) | null>;
  count: RefObject<number>;
  move(step: number): void;
}

/**
 * useRowFocus moves the keyboard's focus from row to row of a list of which only a part is drawn. Rows carry data-row; the
 * first link of a row takes the focus.
 */
export function useRowFocus(): RowFocus {
  const container = useRef<HTMLDivElement>(null);
  const scroller = useRef<((index: number) => void) | null>(null);
  const count = useRef(0);
  const last = useRef(-1);

  const move = useCallback((step: number) => {
    const now = document.activeElement?.closest<HTMLElement>('[data-row]');
    const from = now ? Number(now.dataset.row) : last.current >= 0 ? last.current : -1;
    const next = Math.max(0, Math.min(count.current - 1, from + step));
    if (count.current === 0) return;
    last.current = next;
    scroller.current?.(next);
    const focus = (attempts: number) => {
      const link = container.current?.querySelector<HTMLElement>(`[data-row="${next}"] a`);
      if (link) link.focus({ preventScroll: true });
      else if (attempts > 0) requestAnimationFrame(() => focus(attempts - 1));
    };
    focus(10);
  }, []);

  return useMemo(() => ({ container, scroller, count, move }), [move]);
}
