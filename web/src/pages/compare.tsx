import { useId, useMemo } from 'react';
import { Link } from 'wouter';
import { compare } from '../api/endpoints';
import type { Deployment } from '../api/types';
import { CommitLine, Empty, Loaded } from '../components/parts';
import { useTitle } from '../components/title';
import { compareText } from '../deployments/order';
import { plural } from '../format/revision';
import { groupPlan } from '../plan/group';
import { PlanGroups } from '../plan/plan-view';
import { useDeployments } from '../state/fleet';
import { appPath } from '../state/paths';
import { useQuery } from '../state/query';
import { useQueryString } from '../state/url';

/** neighbours are pairs of a service's environments in their order: what is on its way from one to the next. */
export function neighbours(rows: readonly Deployment[], environments: readonly string[]): { service: string; from: Deployment; to: Deployment }[] {
  const rank = new Map(environments.map((name, i) => [name, i]));
  const services = new Map<string, Deployment[]>();
  for (const row of rows) {
    const key = `${row.project}\n${row.service}`;
    services.set(key, [...(services.get(key) ?? []), row]);
  }
  const pairs: { service: string; from: Deployment; to: Deployment }[] = [];
  for (const members of services.values()) {
    members.sort((a, b) => (rank.get(a.environment) ?? 999) - (rank.get(b.environment) ?? 999));
    for (let i = 1; i < members.length; i++) {
      const [from, to] = [members[i - 1]!, members[i]!];
      if (from.environment !== to.environment && from.deployed?.revision !== to.deployed?.revision) pairs.push({ service: to.service, from, to });
    }
  }
  return pairs.sort((a, b) => compareText(a.service, b.service));
}

const shownPairs = 30;

/** ComparePage shows what differs between what two applications render. */
export default function ComparePage() {
  const [params, change] = useQueryString();
  const { rows, environments } = useDeployments();
  useTitle('Compare');
  const from = params.get('from') ?? '';
  const to = params.get('to') ?? '';
  const result = useQuery(from && to ? `compare:${from}:${to}` : null, () => compare(from, to));
  const pairs = useMemo(() => (from && to ? [] : neighbours(rows, environments)), [rows, environments, from, to]);
  const names = useMemo(() => rows.map((row) => row.name).sort(compareText), [rows]);

  return (
    <div className="page stack">
      <h1>Compare two environments</h1>
      <div className="row wrap toolbar">
        <Pick label="From" value={from} names={names} onChange={(value) => change({ from: value }, true)} />
        <Pick label="To" value={to} names={names} onChange={(value) => change({ to: value }, true)} />
        {from && to && (
          <button type="button" className="button" onClick={() => change({ from: to, to: from }, true)}>
            Swap
          </button>
        )}
        {(from || to) && (
          <button type="button" className="button plain" onClick={() => change({ from: undefined, to: undefined }, true)}>
            Clear
          </button>
        )}
      </div>
      {from && to ? (
        <Loaded query={result} what="the comparison">
          {(data) => {
            const groups = groupPlan((data.objects ?? []).map((object) => ({ ...object, restarts: false })));
            return (
              <div className="stack">
                <p>
                  What would change in <span className="strong">{to}</span> if it rendered what <span className="strong">{from}</span> does. {plural(data.same, 'object')} {data.same === 1 ? 'is' : 'are'} equal.
                </p>
                {data.commits && data.commits.length > 0 && (
                  <section className="card stack" aria-label="Commits between them">
                    <h2>{plural(data.commits.length, 'commit')} between them</h2>
                    <ul className="stack tight">
                      {data.commits.map((commit) => (
                        <li key={commit.revision}>
                          <CommitLine commit={commit} detail />
                        </li>
                      ))}
                    </ul>
                  </section>
                )}
                {groups.length === 0 ? <p className="note good">Both render the same.</p> : <PlanGroups groups={groups} />}
              </div>
            );
          }}
        </Loaded>
      ) : (
        <section className="stack" aria-label="Environments that differ">
          <h2>Environments that run different commits</h2>
          {pairs.length === 0 && <Empty title="None">Choose two applications above.</Empty>}
          <ul className="card list">
            {pairs.slice(0, shownPairs).map(({ service, from: a, to: b }) => (
              <li key={`${a.name}:${b.name}`} className="row wrap spread">
                <span>
                  <span className="strong">{service}</span> <Link to={appPath(a)}>{a.environment}</Link> → <Link to={appPath(b)}>{b.environment}</Link>
                </span>
                <button type="button" className="button small" onClick={() => change({ from: a.name, to: b.name }, true)} aria-label={`Compare ${a.name} with ${b.name}`}>
                  Compare
                </button>
              </li>
            ))}
          </ul>
          {pairs.length > shownPairs && <p className="muted">{pairs.length - shownPairs} more: choose above.</p>}
        </section>
      )}
    </div>
  );
}

function Pick({ label, value, names, onChange }: { label: string; value: string; names: readonly string[]; onChange: (value: string) => void }) {
  const id = useId();
  return (
    <label className="field">
      {label}
      <input
        className="input"
        list={id}
        defaultValue={value}
        key={value}
        placeholder="Application"
        onChange={(event) => names.includes(event.target.value) && onChange(event.target.value)}
        onKeyDown={(event) => event.key === 'Enter' && onChange(event.currentTarget.value.trim())}
      />
      <datalist id={id}>
        {names.slice(0, 1000).map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
    </label>
  );
}
