import { useCallback, useDeferredValue, useMemo, useRef, useState } from 'react';
import { Filters, FilterChips } from '../deployments/filters';
import { applyFilter, cleared, isFiltered, parseFilter } from '../deployments/filter';
import { ListView } from '../deployments/list-view';
import { buildMatrix } from '../deployments/matrix';
import { MatrixView } from '../deployments/matrix-view';
import { sortKeys, sortRows, type SortKey } from '../deployments/order';
import { TileView } from '../deployments/tile-view';
import { Icon } from '../components/icon';
import { useShortcuts } from '../components/keyboard';
import { Empty, Failure, Loading } from '../components/parts';
import { useTitle } from '../components/title';
import { plural } from '../format/revision';
import { useDeployments, useFleet } from '../state/fleet';
import { usePreferences } from '../state/preferences';
import { useQueryString } from '../state/url';
import { useRowFocus } from '../deployments/row-focus';
import { HealthBar } from '../deployments/health-bar';

export type View = 'matrix' | 'list' | 'tiles';

const views: { key: View; title: string }[] = [
  { key: 'matrix', title: 'Matrix' },
  { key: 'list', title: 'List' },
  { key: 'tiles', title: 'Tiles' },
];

function viewOf(params: URLSearchParams): View {
  const wanted = params.get('view');
  if (wanted === 'tiles' || wanted === 'list' || wanted === 'matrix') return wanted;
  return window.matchMedia?.('(max-width: 700px)').matches ? 'list' : 'matrix';
}

export function DeploymentsPage() {
  const { rows, environments, loaded, error } = useDeployments();
  const { reload } = useFleet();
  const [params, change] = useQueryString();
  const { favourites } = usePreferences();
  const [showFilters, setShowFilters] = useState(false);
  const search = useRef<HTMLInputElement>(null);
  useTitle('Deployments');

  const view = viewOf(params);
  const sort = (sortKeys.find((each) => each.key === params.get('sort'))?.key ?? 'attention') as SortKey;
  // Typing stays fluent: the list follows the text.
  const deferred = useDeferredValue(params);
  const filter = useMemo(() => parseFilter(deferred), [deferred]);
  const starred = useMemo(() => new Set(favourites), [favourites]);
  const { rows: selected, counts } = useMemo(() => applyFilter(rows, filter, starred), [rows, filter, starred]);
  const sorted = useMemo(() => (view === 'matrix' ? [] : sortRows(selected, sort, environments)), [selected, sort, environments, view]);
  const matrix = useMemo(() => (view === 'matrix' ? buildMatrix(selected, environments, sort === 'name' ? 'name' : 'attention') : undefined), [selected, environments, view, sort]);

  const focus = useRowFocus();
  useShortcuts({ '/': () => search.current?.focus(), j: () => focus.move(1), k: () => focus.move(-1) });
  const clear = useCallback(() => change(cleared), [change]);

  return (
    <div className="page full deployments">
      <div className="row spread wrap page-head">
        <h1>Deployments</h1>
        <div className="row wrap">
          <label className="search-field">
            <Icon name="search" />
            <input
              ref={search}
              className="input"
              type="search"
              placeholder="Name, commit, author, image"
              aria-label="Search deployments"
              aria-keyshortcuts="/"
              value={params.get('search') ?? ''}
              onChange={(event) => change({ search: event.target.value })}
              onKeyDown={(event) => {
                if (event.key === 'Escape') event.currentTarget.blur();
                if (event.key === 'Enter' || event.key === 'ArrowDown') {
                  event.preventDefault();
                  focus.move(1);
                }
              }}
            />
          </label>
          <button type="button" className="button filter-button" aria-expanded={showFilters} aria-controls="filters" onClick={() => setShowFilters(!showFilters)}>
            <Icon name="filter" /> Filters
          </button>
          <label className="row">
            <span className="visually-hidden">Order</span>
            <select className="input" value={sort} onChange={(event) => change({ sort: event.target.value === 'attention' ? undefined : event.target.value })}>
              {sortKeys
                .filter((each) => view !== 'matrix' || each.key === 'attention' || each.key === 'name')
                .map((each) => (
                  <option key={each.key} value={each.key}>
                    {each.title}
                  </option>
                ))}
            </select>
          </label>
          <div className="segments" role="group" aria-label="View">
            {views.map((each) => (
              <button key={each.key} type="button" aria-pressed={view === each.key} onClick={() => change({ view: each.key }, true)}>
                {each.title}
              </button>
            ))}
          </div>
        </div>
      </div>
      <div className="row wrap spread list-status">
        <p className="muted" role="status">
          {loaded && (isFiltered(filter) ? `${selected.length} of ${plural(rows.length, 'deployment')}` : plural(rows.length, 'deployment'))}
          {matrix && loaded && `, ${plural(matrix.rows.length, 'service')}`}
        </p>
        <HealthBar counts={counts.health} chosen={filter.chosen.health} onChange={(value) => change({ health: value })} />
      </div>
      <FilterChips filter={filter} onChange={change} onClear={clear} />
      <div className="with-filters">
        <Filters open={showFilters} counts={counts} filter={filter} onChange={change} onClear={clear} />
        <div className="grow list-area" ref={focus.container}>
          {error && !loaded && <Failure error={error} what="the deployments" retry={() => void reload().catch(() => undefined)} />}
          {!loaded && !error && <Loading what="deployments" />}
          {loaded && rows.length === 0 && <NoDeployments />}
          {loaded && rows.length > 0 && selected.length === 0 && (
            <Empty title="Nothing matches">
              <p>
                <button type="button" className="button" onClick={clear}>
                  Clear search and filters
                </button>
              </p>
            </Empty>
          )}
          {selected.length > 0 && matrix && <MatrixView matrix={matrix} focus={focus} />}
          {selected.length > 0 && view === 'list' && <ListView rows={sorted} focus={focus} starred={starred} />}
          {selected.length > 0 && view === 'tiles' && <TileView rows={sorted} focus={focus} starred={starred} />}
        </div>
      </div>
    </div>
  );
}

function NoDeployments() {
  return (
    <Empty title="No deployments yet">
      <p>Applications that you may see appear here as soon as they exist. Create one from the command line:</p>
      <pre className="code">belay app create my-app --repo https://git.example.com/deploy.git --path apps/my-app --dest-namespace my-app</pre>
      <p>Or apply an Application of Argo CD with kubectl: it is taken as it is.</p>
    </Empty>
  );
}
