import { useState } from 'react';
import { Link } from 'wouter';
import { applications } from '../api/endpoints';
import { Icon } from '../components/icon';
import { CommitLine, Counts } from '../components/parts';
import { Health, Operation, Sync } from '../components/status';
import { Time } from '../components/time';
import { Favourite, Images, notable, Who } from '../deployments/cell';
import { total } from '../format/revision';
import { appPath } from '../state/paths';
import { usePreferences } from '../state/preferences';
import { useApplication } from './data';
import { WhyPanel } from './why';

/** ApplicationHeader says what the application is, how it stands and why, and what can be done. */
export function ApplicationHeader() {
  const { row, key, application, can, refreshing, refresh, problem, running } = useApplication();
  const { favourites } = usePreferences();
  const app = application.data;
  const health = app?.status?.health?.status ?? row?.health;
  const sync = app?.status?.sync?.status ?? row?.sync;
  const operation = app?.status?.operationState;
  const well = health === 'Healthy' && sync === 'Synced' && !notable(operation?.phase) && !app?.status?.conditions?.length;

  return (
    <header className="app-header stack">
      <div className="row spread wrap">
        <div className="row app-title">
          <h1 className="truncate">{key.name}</h1>
          {row && <Favourite row={row} starred={new Set(favourites)} />}
          {row?.environment && <span className="chip">{row.environment}</span>}
          <Link className="muted small truncate" to={`/settings/projects/${encodeURIComponent(app?.spec.project ?? row?.project ?? '')}`}>
            {app?.spec.project ?? row?.project}
          </Link>
        </div>
        <div className="row wrap">
          <button type="button" className="button" onClick={() => refresh('normal')} disabled={refreshing} aria-keyshortcuts="f">
            <Icon name="refresh" spin={refreshing} /> {refreshing ? 'Comparing…' : 'Refresh'}
          </button>
          {can('rollback') && (
            <Link className="button" to={appPath(key, 'history')}>
              <Icon name="undo" /> Roll back
            </Link>
          )}
          {running && can('sync') && <Terminate />}
          {can('sync') && !running && (
            <Link className={sync === 'OutOfSync' ? 'button primary' : 'button'} to={appPath(key, 'review')} aria-keyshortcuts="r">
              Review and sync
            </Link>
          )}
          {running && (
            <Link className="button primary" to={appPath(key, 'operation')}>
              Watch the sync
            </Link>
          )}
        </div>
      </div>
      {problem && (
        <p className="note bad" role="alert">
          {problem}
        </p>
      )}
      <div className="status-line">
        <div>
          <span className="label">Health</span>
          <Health status={health} />
        </div>
        <div>
          <span className="label">Git and cluster</span>
          <span className="row">
            <Sync status={sync} />
            {row && total(row.pending) > 0 && <Counts counts={row.pending} />}
          </span>
        </div>
        <div>
          <span className="label">Last operation</span>
          {operation ? (
            <span className="row">
              <Operation phase={operation.phase} /> <span className="muted small"><Time at={operation.finishedAt ?? operation.startedAt} /></span>
            </span>
          ) : (
            <span className="muted">none yet</span>
          )}
        </div>
        <div className="wide-cell">
          <span className="label">Deployed</span>
          <span className="row wrap">
            <CommitLine commit={row?.deployed} />
            {row?.deployedAt && (
              <span className="muted small">
                <Time at={row.deployedAt} both /> by <Who name={row.deployedBy} />
              </span>
            )}
          </span>
          <span className="small muted">
            <Images images={row?.images} />
          </span>
        </div>
        <div>
          <span className="label">Auto-sync</span>
          <span>{row?.autoSync ? `On${row.selfHeal ? ', heals drift' : ''}${row.prune ? ', prunes' : ''}` : 'Off'}</span>
          {row?.window && <p className="small tone-warn">{row.window}</p>}
        </div>
      </div>
      {!well && <WhyPanel />}
    </header>
  );
}

function Terminate() {
  const { key, reload } = useApplication();
  const [error, setError] = useState('');
  const [asked, setAsked] = useState(false);
  const terminate = () => {
    setAsked(true);
    applications.terminate(key).then(reload, (failure: Error) => {
      setAsked(false);
      setError(failure.message);
    });
  };
  return (
    <>
      <button type="button" className="button danger" onClick={terminate} disabled={asked}>
        {asked ? 'Stopping…' : 'Stop the sync'}
      </button>
      {error && <span role="alert" className="tone-bad small">{error}</span>}
    </>
  );
}
