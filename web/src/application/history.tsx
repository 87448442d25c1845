import { useState } from 'react';
import { Link } from 'wouter';
import { applications } from '../api/endpoints';
import type { HistoryEntry } from '../api/types';
import { CommitLine, Empty, Failure, Loaded, Loading } from '../components/parts';
import { Time } from '../components/time';
import { Who } from '../deployments/cell';
import { duration, parseTime } from '../format/time';
import { short } from '../format/revision';
import { groupPlan } from '../plan/group';
import { PlanGroups } from '../plan/plan-view';
import { Warnings } from '../plan/warnings';
import { appPath } from '../state/paths';
import { useQuery } from '../state/query';
import { useApplication } from './data';
import { RolledBack } from './rolled-back';

/** HistoryPage lists the deployments that were, what each would change now, and the way back to it. */
export default function HistoryPage() {
  const { key, row, can } = useApplication();
  const history = useQuery(`history:${key.namespace}/${key.name}`, () => applications.history(key), { also: row?.deployedAt });
  return (
    <div className="stack">
      <RolledBack />
      <Loaded query={history} what="the history">
        {(data) => {
          const items = data.items ?? [];
          if (items.length === 0) return <Empty title="Nothing was deployed yet">The first successful sync is the first entry.</Empty>;
          return (
            <ol className="stack" aria-label="Deployments, the latest first">
              {items.map((entry, i) => (
                <li key={entry.id}>
                  <Entry entry={entry} until={i > 0 ? items[i - 1]?.deployedAt : undefined} mayRollBack={can('rollback')} />
                </li>
              ))}
            </ol>
          );
        }}
      </Loaded>
    </div>
  );
}

function Entry({ entry, until, mayRollBack }: { entry: HistoryEntry; until: string | undefined; mayRollBack: boolean }) {
  const { key } = useApplication();
  const [open, setOpen] = useState(false);
  const started = parseTime(entry.startedAt);
  const deployed = parseTime(entry.deployedAt);
  const ended = parseTime(until);
  const commits = entry.commits?.length ? entry.commits : (entry.revisions ?? []).map((revision) => ({ revision }));
  return (
    <article className={entry.current ? 'card stack history-entry current' : 'card stack history-entry'} aria-label={`Deployment ${entry.id}`}>
      <div className="row spread wrap">
        <div className="stack tight grow">
          {commits.map((commit, i) => (
            <CommitLine key={i} commit={commit} detail />
          ))}
        </div>
        <div className="row wrap">
          {entry.current && <span className="chip strong tone-good">deployed now</span>}
          <button type="button" className="button small" aria-expanded={open} onClick={() => setOpen(!open)}>
            Compare with now
          </button>
          {mayRollBack && !entry.current && (
            <Link className="button small" to={`${appPath(key, 'review')}?rollback=${entry.id}`} aria-label={`Review the rollback to deployment ${entry.id}, ${commits.map((commit) => short(commit.revision)).join(', ')}`}>
              Roll back to this
            </Link>
          )}
        </div>
      </div>
      <p className="row wrap small history-facts">
        <span>
          <span className="muted">Deployment</span> {entry.id}
        </span>
        <span>
          <Time at={entry.deployedAt} both />
        </span>
        <span>
          <span className="muted">by</span> <Who name={entry.actor || 'unknown'} />
        </span>
        {started !== undefined && deployed !== undefined && (
          <span>
            <span className="muted">took</span> {duration(deployed - started)}
          </span>
        )}
        {ended !== undefined && deployed !== undefined && (
          <span>
            <span className="muted">active for</span> {duration(ended - deployed)}
          </span>
        )}
        {entry.reason && (
          <span>
            <span className="muted">because</span> {entry.reason}
          </span>
        )}
      </p>
      {open && <Difference id={entry.id} />}
    </article>
  );
}

function Difference({ id }: { id: number }) {
  const { key } = useApplication();
  const plan = useQuery(`rollback:${key.namespace}/${key.name}:${id}`, () => applications.plan(key, { rollback: id }));
  if (!plan.data) return plan.error ? <Failure error={plan.error} what="the difference" retry={plan.reload} /> : <Loading what="the difference" />;
  const objects = plan.data.objects ?? [];
  if (objects.length === 0) return <p className="note good">What was deployed then is what the cluster has now.</p>;
  return (
    <div className="stack">
      <p className="muted">A rollback to this deployment would do this:</p>
      <Warnings warnings={plan.data.warnings ?? []} />
      <PlanGroups groups={groupPlan(objects)} />
    </div>
  );
}
