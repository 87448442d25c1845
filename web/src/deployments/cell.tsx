import { Link } from 'wouter';
import type { Deployment } from '../api/types';
import { Icon } from '../components/icon';
import { Counts } from '../components/parts';
import { Health, Operation, Sync } from '../components/status';
import { Time } from '../components/time';
import { image, short } from '../format/revision';
import { keyOf } from '../state/deployments';
import { appPath } from '../state/paths';
import { preferences } from '../state/preferences';

/** notable is the operation where it says more than sync and health do. */
export const notable = (phase: string | undefined) => (phase && phase !== 'Succeeded' ? phase : undefined);

export function Favourite({ row, starred }: { row: Deployment; starred: ReadonlySet<string> }) {
  const key = keyOf(row);
  const on = starred.has(key);
  return (
    <button type="button" className={on ? 'star on' : 'star'} aria-pressed={on} aria-label={`Favourite ${row.name}`} onClick={() => preferences.toggleFavourite(key)}>
      <Icon name="star" fill={on} />
    </button>
  );
}

/** Images names the first image's version, and how many more there are. */
export function Images({ images }: { images: readonly string[] | null | undefined }) {
  if (!images?.length) return null;
  const first = image(images[0]!);
  return (
    <span className="truncate" title={images.join('\n')}>
      {first.name}:<span className="mono">{first.version}</span>
      {images.length > 1 && ` +${images.length - 1}`}
    </span>
  );
}

export function Who({ name }: { name: string | undefined }) {
  if (!name) return null;
  return <>{name === 'automated' ? 'auto-sync' : name}</>;
}

/** Cell is one deployment in the matrix. */
export function Cell({ row, alone }: { row: Deployment; alone: boolean }) {
  const { deployed } = row;
  return (
    <div className="cell">
      <div className="row cell-head">
        <Health status={row.health} compact />
        <Sync status={row.sync} compact />
        <Operation phase={notable(row.operation)} compact />
        <Link to={appPath(row)} className="truncate grow strong" aria-label={`${row.name}: ${row.health || 'Unknown'}, ${row.sync || 'Unknown'}`} title={row.name}>
          {deployed?.revision ? (
            <>
              <code>{short(deployed.revision)}</code> {alone ? deployed.subject : row.name}
            </>
          ) : (
            row.name
          )}
        </Link>
        <Counts counts={row.pending} />
      </div>
      <div className="row small muted cell-line">
        <Images images={row.images} />
        <span className="truncate cell-when">
          {row.deployedAt ? (
            <>
              <Time at={row.deployedAt} /> by <Who name={row.deployedBy} />
            </>
          ) : (
            'never deployed'
          )}
        </span>
      </div>
      {row.problem ? (
        <p className="small truncate problem" title={row.problem}>
          {row.problem}
        </p>
      ) : row.wanted ? (
        <p className="small truncate muted" title={row.wanted.subject}>
          Git has {short(row.wanted.revision)} {row.wanted.subject}
        </p>
      ) : (
        <p className="small truncate muted">{deployed?.author}</p>
      )}
    </div>
  );
}
