import { useCallback, useMemo } from 'react';
import { useLocation, useSearch } from 'wouter';

export type Patch = Record<string, string | undefined>;

/** patched returns a query string with keys set, or removed where the value is empty. */
export function patched(search: string, patch: Patch): string {
  const params = new URLSearchParams(search);
  for (const [key, value] of Object.entries(patch)) {
    if (value === undefined || value === '') params.delete(key);
    else params.set(key, value);
  }
  const text = params.toString();
  return text ? `?${text}` : '';
}

/** useQueryString reads the query of the address, and changes it; a change replaces the entry of the history unless push is set. */
export function useQueryString(): [URLSearchParams, (patch: Patch, push?: boolean) => void] {
  const search = useSearch();
  const [location, navigate] = useLocation();
  const params = useMemo(() => new URLSearchParams(search), [search]);
  const change = useCallback(
    (patch: Patch, push = false) => navigate(location + patched(window.location.search, patch), { replace: !push }),
    [location, navigate],
  );
  return [params, change];
}
