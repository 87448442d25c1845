import { Link } from 'wouter';
import { search } from '../api/endpoints';
import { Empty, Loaded } from '../components/parts';
import { useTitle } from '../components/title';
import { resourcePath } from '../state/paths';
import { useQuery } from '../state/query';
import { useQueryString } from '../state/url';

/** SearchPage finds which application owns a pod, runs an image, or deployed a commit. */
export default function SearchPage() {
  const [params, change] = useQueryString();
  const q = params.get('q') ?? params.get('search') ?? '';
  const result = useQuery(q.trim().length >= 2 ? `search:${q}` : null, () => search(q));
  useTitle('Search');
  return (
    <div className="page stack">
      <h1>Search</h1>
      <input className="input" type="search" aria-label="Search applications, resources, images and commits" placeholder="Pod, Deployment, image, commit" value={q} onChange={(event) => change({ q: event.target.value, search: undefined })} />
      {q.trim().length < 2 ? (
        <p className="muted">Type two letters or more.</p>
      ) : (
        <Loaded query={result} what="the results">
          {(data) =>
            data.items?.length ? (
              <ul className="card list">
                {data.items.map((hit, i) => (
                  <li key={i} className="row wrap">
                    <span className="chip">{hit.kind}</span>
                    <Link to={resourcePath(hit)} className="strong">
                      {hit.name}
                    </Link>
                    <span className="muted small">{[hit.namespace, hit.application && `of ${hit.application}`, hit.text].filter(Boolean).join(' · ')}</span>
                  </li>
                ))}
              </ul>
            ) : (
              <Empty title="Nothing found" />
            )
          }
        </Loaded>
      )}
    </div>
  );
}
