import { useSyncExternalStore, type PointerEvent } from 'react';
import { absolute, full, parseTime, relative } from '../format/time';

// One clock for all times of a page; it moves every half a minute, which is as fine as "4m ago" is.
let now = Date.now();
const listeners = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | undefined;

function subscribe(listener: () => void) {
  listeners.add(listener);
  timer ??= setInterval(() => {
    now = Date.now();
    for (const each of listeners) each();
  }, 30_000);
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) {
      clearInterval(timer);
      timer = undefined;
    }
  };
}

export const useNow = () => useSyncExternalStore(subscribe, () => now);

// The tip is made when somebody asks for it: a page has hundreds of times.
function tip(event: PointerEvent<HTMLTimeElement>) {
  event.currentTarget.title = full(Date.parse(event.currentTarget.dateTime));
}

/** Time shows when something was: how long ago, and the absolute time beside it, or as a tip where there is no room. */
export function Time({ at, both = false, fallback = 'never' }: { at: string | null | undefined; both?: boolean; fallback?: string }) {
  const current = useNow();
  const time = parseTime(at);
  if (time === undefined) return <span className="muted">{fallback}</span>;
  const ago = relative(time, Math.max(current, Date.now() - 30_000, Math.min(time, Date.now())));
  return (
    <time dateTime={new Date(time).toISOString()} onPointerEnter={tip}>
      {both ? (
        <>
          {absolute(time)} <span className="muted">({ago})</span>
        </>
      ) : (
        ago
      )}
    </time>
  );
}
