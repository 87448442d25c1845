import { useCallback, useEffect, useRef, useState } from 'react';

export interface Query<T> {
  data: T | undefined;
  error: Error | undefined;
  loading: boolean;
  reload: () => void;
}

/**
 * useQuery loads when key changes, or reload is called. A later answer never gives way to an earlier one; what was shown stays
 * until the next answer of the same key. A null key loads nothing.
 */
export function useQuery<T>(key: string | null, load: () => Promise<T>, options: { every?: number | undefined; also?: unknown } = {}): Query<T> {
  const [state, setState] = useState<{ key: string | null; data?: T | undefined; error?: Error | undefined; loading: boolean }>({ key, loading: key !== null });
  const [turn, setTurn] = useState(0);
  const loader = useRef(load);
  loader.current = load;

  useEffect(() => {
    if (key === null) return;
    let current = true;
    setState((before) => ({ key, data: before.key === key ? before.data : undefined, error: before.key === key ? before.error : undefined, loading: true }));
    loader.current().then(
      (data) => current && setState({ key, data, loading: false }),
      (error: Error) => current && setState((before) => ({ key, data: before.key === key ? before.data : undefined, error, loading: false })),
    );
    return () => {
      current = false;
    };
  }, [key, turn, options.also]);

  useEffect(() => {
    if (!options.every || key === null) return;
    const timer = setInterval(() => document.visibilityState === 'visible' && setTurn((n) => n + 1), options.every);
    return () => clearInterval(timer);
  }, [key, options.every]);

  const reload = useCallback(() => setTurn((n) => n + 1), []);
  const same = state.key === key;
  return { data: same ? state.data : undefined, error: same ? state.error : undefined, loading: same ? state.loading : key !== null, reload };
}
