import { useEffect, useState } from 'react';
import { Link } from 'wouter';
import { activities, type ActivityQuery } from '../api/endpoints';
import type { Activity } from '../api/types';
import { Icon, type IconName } from '../components/icon';
import { Empty, Failure, Loading } from '../components/parts';
import { Time } from '../components/time';
import { Who } from '../deployments/cell';
import { short } from '../format/revision';
import { appPath } from '../state/paths';

const looks: [RegExp, IconName, string][] = [
  [/fail|denied|error/, 'failed', 'bad'],
  [/rollback/, 'undo', 'warn'],
  [/terminate/, 'close', 'warn'],
  [/drift|outofsync/, 'outOfSync', 'warn'],
  [/delete|prune/, 'minus', 'bad'],
  [/sync/, 'synced', 'good'],
  [/health/, 'healthy', 'busy'],
  [/settings|update|create/, 'pencil', 'busy'],
  [/login|logout/, 'user', 'rest'],
  [/refresh/, 'refresh', 'rest'],
];

function look(activity: Activity): { icon: IconName; tone: string } {
  const text = `${activity.kind} ${activity.outcome ?? ''}`.toLowerCase();
  const [, icon, tone] = looks.find(([pattern]) => pattern.test(text)) ?? [/./, 'unknown' as IconName, 'rest'];
  return { icon, tone };
}

/** byDay groups activities by the day of the person who looks. */
export function byDay(items: readonly Activity[]): { day: string; items: Activity[] }[] {
  const format = new Intl.DateTimeFormat('en-GB', { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' });
  const days: { day: string; items: Activity[] }[] = [];
  for (const item of items) {
    const time = Date.parse(item.time);
    const day = Number.isNaN(time) ? 'Unknown' : format.format(time);
    const last = days.at(-1);
    if (last?.day === day) last.items.push(item);
    else days.push({ day, items: [item] });
  }
  return days;
}

/** ActivityFeed lists what happened, the latest first, page by page. */
export function ActivityFeed({ query, across = false }: { query: ActivityQuery; across?: boolean }) {
  const [items, setItems] = useState<Activity[]>();
  const [next, setNext] = useState('');
  const [error, setError] = useState<Error>();
  const [busy, setBusy] = useState(false);
  const [turn, setTurn] = useState(0);
  const id = JSON.stringify(query);

  useEffect(() => {
    let current = true;
    setError(undefined);
    activities({ ...query, limit: 100 }).then(
      (page) => {
        if (!current) return;
        setItems(page.items ?? []);
        setNext(page.next ?? '');
      },
      (failure: Error) => current && setError(failure),
    );
    return () => {
      current = false;
    };
    // id stands for the query.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [id, turn]);

  const more = () => {
    setBusy(true);
    activities({ ...query, limit: 100, before: next })
      .then(
        (page) => {
          setItems((before) => [...(before ?? []), ...(page.items ?? [])]);
          setNext(page.next ?? '');
        },
        (failure: Error) => setError(failure),
      )
      .finally(() => setBusy(false));
  };

  if (error && !items) return <Failure error={error} what="the timeline" retry={() => setTurn(turn + 1)} />;
  if (!items) return <Loading what="the timeline" />;
  if (items.length === 0) return <Empty title="Nothing happened">No activity matches, or none was recorded yet.</Empty>;
  return (
    <div className="stack">
      {error && <Failure error={error} what="more of the timeline" />}
      {byDay(items).map(({ day, items: those }) => (
        <section key={day} aria-label={day} className="stack tight">
          <h2 className="day">{day}</h2>
          <ol className="feed">
            {those.map((activity) => (
              <Row key={activity.id} activity={activity} across={across} />
            ))}
          </ol>
        </section>
      ))}
      {next && (
        <p>
          <button type="button" className="button" onClick={more} disabled={busy}>
            {busy ? 'Loading…' : 'Earlier'}
          </button>
        </p>
      )}
    </div>
  );
}

function Row({ activity, across }: { activity: Activity; across: boolean }) {
  const { icon, tone } = look(activity);
  return (
    <li className="feed-row">
      <span className={`tone-${tone}`}>
        <Icon name={icon} />
      </span>
      <div className="grow">
        <p>
          {across && activity.application && (
            <>
              <Link to={appPath({ namespace: activity.namespace ?? '', name: activity.application })} className="strong">
                {activity.application}
              </Link>{' '}
            </>
          )}
          {activity.text}
          {activity.revisions && activity.revisions.length > 0 && <code> {activity.revisions.map(short).join(', ')}</code>}
        </p>
        <p className="muted small">
          <span className="chip">{activity.kind}</span> {activity.actor && <>by <Who name={activity.actor} /></>} {activity.address && `from ${activity.address}`}
          {activity.reason && <> because “{activity.reason}”</>}
          {activity.outcome && ` · ${activity.outcome}`}
        </p>
      </div>
      <span className="small feed-time">
        <Time at={activity.time} both />
      </span>
    </li>
  );
}
