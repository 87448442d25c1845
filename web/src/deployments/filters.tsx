import { useMemo, useState } from 'react';
import { Icon } from '../components/icon';
import type { Patch } from '../state/url';
import { facets, isFiltered, toggled, type Facet, type Filter } from './filter';
import { compareText } from './order';

interface Props {
  open: boolean;
  filter: Filter;
  counts: Record<string, Map<string, number>>;
  onChange: (patch: Patch) => void;
  onClear: () => void;
}

export function Filters({ open, filter, counts, onChange, onClear }: Props) {
  return (
    <section id="filters" className={open ? 'filters open' : 'filters'} aria-label="Filters">
      <div className="row spread">
        <h2>Filters</h2>
        <button type="button" className="button plain small" disabled={!isFiltered(filter)} onClick={onClear}>
          Clear
        </button>
      </div>
      <label className="check">
        <input type="checkbox" checked={filter.favourites} onChange={(event) => onChange({ showFavorites: event.target.checked ? 'true' : undefined })} />
        Favourites only
      </label>
      {facets.map((facet, i) => (
        <FacetGroup key={facet.key} facet={facet} open={i < 4} chosen={filter.chosen[facet.key]} counts={counts[facet.key] ?? new Map()} onChange={onChange} />
      ))}
      <LabelFilter labels={filter.labels} onChange={onChange} />
    </section>
  );
}

const shown = 8;

function FacetGroup({ facet, chosen, counts, open, onChange }: { facet: Facet; chosen: readonly string[] | undefined; counts: Map<string, number>; open: boolean; onChange: (patch: Patch) => void }) {
  const [all, setAll] = useState(false);
  const [unfolded, setUnfolded] = useState(open || Boolean(chosen?.length));
  // A group may have thousands of values: what is folded is not ordered and not drawn.
  const values = useMemo(() => (unfolded ? [...counts].sort((a, b) => b[1] - a[1] || compareText(a[0], b[0])) : []), [counts, unfolded]);
  if (counts.size === 0) return null;
  const drawn = all ? values : values.filter(([value], i) => i < shown || chosen?.includes(value));
  return (
    <details className="facet" open={unfolded} onToggle={(event) => setUnfolded(event.currentTarget.open)}>
      <summary>{facet.title}</summary>
      <ul>
        {drawn.map(([value, count]) => (
          <li key={value}>
            <label className="check">
              <input type="checkbox" checked={chosen?.includes(value) ?? false} onChange={() => onChange({ [facet.key]: toggled(chosen, value) })} />
              <span className="truncate grow" title={value}>
                {value}
              </span>
              <span className="muted small">{count}</span>
            </label>
          </li>
        ))}
      </ul>
      {values.length > shown && (
        <button type="button" className="button plain small" onClick={() => setAll(!all)}>
          {all ? 'Fewer' : `All ${values.length}`}
        </button>
      )}
    </details>
  );
}

function LabelFilter({ labels, onChange }: { labels: readonly string[]; onChange: (patch: Patch) => void }) {
  const [text, setText] = useState('');
  return (
    <form
      className="stack label-filter"
      onSubmit={(event) => {
        event.preventDefault();
        const term = text.trim();
        if (term && !labels.includes(term)) onChange({ labels: toggled(labels, term) });
        setText('');
      }}
    >
      <label className="field">
        Label
        <input className="input" placeholder="team=payments" value={text} onChange={(event) => setText(event.target.value)} />
      </label>
    </form>
  );
}

/** FilterChips shows every filter that is in force, each with a way to take it back. */
export function FilterChips({ filter, onChange, onClear }: { filter: Filter; onChange: (patch: Patch) => void; onClear: () => void }) {
  if (!isFiltered(filter)) return null;
  const chip = (key: string, text: string, patch: Patch) => (
    <li key={key}>
      <button type="button" className="chip" onClick={() => onChange(patch)} aria-label={`Remove filter ${text}`}>
        <span className="truncate">{text}</span> <Icon name="close" />
      </button>
    </li>
  );
  return (
    <ul className="row wrap chips" aria-label="Filters in force">
      {filter.search && chip('search', `“${filter.search}”`, { search: undefined })}
      {filter.favourites && chip('favourites', 'Favourites', { showFavorites: undefined })}
      {facets.flatMap((facet) =>
        (filter.chosen[facet.key] ?? []).map((value) => chip(`${facet.key}:${value}`, `${facet.title}: ${value}`, { [facet.key]: toggled(filter.chosen[facet.key], value) })),
      )}
      {filter.labels.map((label) => chip(`label:${label}`, label, { labels: toggled(filter.labels, label) }))}
      <li>
        <button type="button" className="button plain small" onClick={onClear}>
          Clear all
        </button>
      </li>
    </ul>
  );
}
