import { useState } from 'react';
import { useLocation } from 'wouter';
import type { Application, Source } from '../api/argocd';
import { applications } from '../api/endpoints';
import { Confirm } from '../components/dialog';
import { Empty, Loading } from '../components/parts';
import { Time } from '../components/time';
import { Code } from '../components/manifest';
import { short } from '../format/revision';
import { toYAML } from '../format/yaml';
import { useQuery } from '../state/query';
import { useApplication } from './data';
import { Events } from './events';
import { RolledBack } from './rolled-back';

/** DetailsPage shows what the application is made of: sources and parameters, destination, policy, conditions, links. */
export default function DetailsPage() {
  const { application } = useApplication();
  const app = application.data;
  if (!app) return <Loading what="the details" />;
  const sources = app.spec.sources?.length ? app.spec.sources : app.spec.source ? [app.spec.source] : [];
  const revisions = app.status?.sync?.revisions?.length ? app.status.sync.revisions : [app.status?.sync?.revision ?? ''];
  return (
    <div className="details">
      <Conditions app={app} />
      <RolledBack />
      <section className="card stack" aria-label="Destination">
        <h2>Destination</h2>
        <dl className="facts">
          <dt>Cluster</dt>
          <dd>{app.spec.destination.name || app.spec.destination.server}</dd>
          <dt>Namespace</dt>
          <dd>{app.spec.destination.namespace || 'that of each object'}</dd>
          <dt>Created</dt>
          <dd>
            <Time at={app.metadata.creationTimestamp} both />
          </dd>
          <dt>Last compared</dt>
          <dd>
            <Time at={app.status?.reconciledAt} both />
          </dd>
        </dl>
      </section>
      <Policy app={app} />
      {sources.map((source, i) => (
        <SourceCard key={i} source={source} revision={revisions[i] ?? ''} title={sources.length > 1 ? `Source ${i + 1}${source.name ? `: ${source.name}` : ''}` : 'Source'} />
      ))}
      <Links app={app} />
      <section className="card stack" aria-label="Labels">
        <h2>Labels</h2>
        {Object.keys(app.metadata.labels ?? {}).length ? (
          <ul className="row wrap">
            {Object.entries(app.metadata.labels ?? {}).map(([name, value]) => (
              <li key={name} className="chip mono">
                {name}={value}
              </li>
            ))}
          </ul>
        ) : (
          <p className="muted">None</p>
        )}
      </section>
      <section className="card stack" aria-label="Events">
        <h2>Events</h2>
        <Events />
      </section>
      <Remove />
    </div>
  );
}

function Conditions({ app }: { app: Application }) {
  const conditions = app.status?.conditions ?? [];
  if (conditions.length === 0) return null;
  return (
    <section className="stack" aria-label="Conditions">
      {conditions.map((condition, i) => (
        <div key={i} className={/Error/.test(condition.type) ? 'note bad' : 'note warn'}>
          <p className="row wrap">
            <span className="strong">{condition.type}</span>
            <span className="muted small">
              since <Time at={condition.lastTransitionTime} both />
            </span>
          </p>
          <p>{condition.message}</p>
        </div>
      ))}
    </section>
  );
}

function Policy({ app }: { app: Application }) {
  const { key, can, reload } = useApplication();
  const [asking, setAsking] = useState(false);
  const [error, setError] = useState('');
  const automated = app.spec.syncPolicy?.automated;
  const on = Boolean(automated) && automated?.enabled !== false;
  const toggle = () => {
    setAsking(false);
    setError('');
    applications.patch(key, { spec: { syncPolicy: { automated: { enabled: !on } } } }).then(reload, (failure: Error) => setError(failure.message));
  };
  return (
    <section className="card stack" aria-label="Sync policy">
      <div className="row spread wrap">
        <h2>Sync policy</h2>
        {can('update') && (
          <button type="button" className="button small" onClick={() => setAsking(true)}>
            {on ? 'Pause auto-sync' : 'Switch auto-sync on'}
          </button>
        )}
      </div>
      {error && (
        <p className="note bad" role="alert">
          {error}
        </p>
      )}
      <dl className="facts">
        <dt>Auto-sync</dt>
        <dd>{on ? 'on' : 'off'}</dd>
        <dt>Heals drift</dt>
        <dd>{on && automated?.selfHeal ? 'yes' : 'no'}</dd>
        <dt>Prunes</dt>
        <dd>{on && automated?.prune ? 'yes' : 'no'}</dd>
        {app.spec.syncPolicy?.syncOptions?.length ? (
          <>
            <dt>Options</dt>
            <dd className="mono">{app.spec.syncPolicy.syncOptions.join(', ')}</dd>
          </>
        ) : null}
        {app.spec.ignoreDifferences?.length ? (
          <>
            <dt>Ignored differences</dt>
            <dd>
              <Code text={toYAML(app.spec.ignoreDifferences)} what="ignored differences" />
            </dd>
          </>
        ) : null}
      </dl>
      {asking && (
        <Confirm title={on ? 'Pause auto-sync?' : 'Switch auto-sync on?'} confirm={on ? 'Pause auto-sync' : 'Switch auto-sync on'} onConfirm={toggle} onClose={() => setAsking(false)}>
          <p>{on ? 'Commits are compared, but deployed only by somebody who syncs.' : 'Belay deploys what Git has now, and every commit after it.'}</p>
        </Confirm>
      )}
    </section>
  );
}

function SourceCard({ source, revision, title }: { source: Source; revision: string; title: string }) {
  const parameters = source.helm?.parameters ?? [];
  const rest = { helm: source.helm && { ...source.helm, parameters: undefined }, kustomize: source.kustomize, directory: source.directory, plugin: source.plugin };
  const shown = JSON.parse(JSON.stringify(rest)) as Record<string, unknown>;
  for (const name of Object.keys(shown)) if (Object.keys(shown[name] as object).length === 0) delete shown[name];
  return (
    <section className="card stack" aria-label={title}>
      <h2>{title}</h2>
      <dl className="facts">
        <dt>Repository</dt>
        <dd className="mono">{source.repoURL}</dd>
        <dt>{source.chart ? 'Chart' : 'Path'}</dt>
        <dd className="mono">{source.chart || source.path || (source.ref ? `(values only, as $${source.ref})` : '.')}</dd>
        <dt>Follows</dt>
        <dd className="mono">{source.targetRevision || 'HEAD'}</dd>
        <dt>At</dt>
        <dd className="mono">{revision ? short(revision) : 'unknown'}</dd>
        {source.helm?.valueFiles?.length ? (
          <>
            <dt>Value files</dt>
            <dd className="mono">{source.helm.valueFiles.join(', ')}</dd>
          </>
        ) : null}
      </dl>
      {parameters.length > 0 && (
        <div className="scroll-x" tabIndex={0} role="group" aria-label="Parameters">
          <table className="table">
            <thead>
              <tr>
                <th>Parameter</th>
                <th>Value</th>
              </tr>
            </thead>
            <tbody>
              {parameters.map((parameter) => (
                <tr key={parameter.name}>
                  <td className="mono">{parameter.name}</td>
                  <td className="mono">{parameter.value}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {Object.keys(shown).length > 0 && (
        <details>
          <summary>All parameters</summary>
          <Code text={toYAML(shown)} what="parameters of the source" />
        </details>
      )}
    </section>
  );
}

/** safeLink lets through what a browser opens as a page; an annotation is not to run a script. */
export function safeLink(address: string): string | undefined {
  return /^(https?|mailto):/i.test(address) ? address : undefined;
}

function Links({ app }: { app: Application }) {
  const { key } = useApplication();
  const configured = useQuery(`links:${key.namespace}/${key.name}`, () => applications.links(key).catch(() => ({ items: [] })));
  const annotated = Object.entries(app.metadata.annotations ?? {}).flatMap(([name, value]) => {
    if (!name.startsWith('link.argocd.argoproj.io/')) return [];
    const [title, address] = value.includes('|') ? value.split('|', 2) : [name.slice(name.indexOf('/') + 1), value];
    return [{ title: title ?? '', url: address ?? '' }];
  });
  const external = (app.status?.summary?.externalURLs ?? []).map((address) => ({ title: address, url: address }));
  const info = (app.spec.info ?? []).filter((each) => safeLink(each.value)).map((each) => ({ title: each.name, url: each.value }));
  const links = [...annotated, ...(configured.data?.items ?? []), ...external, ...info].filter((link) => safeLink(link.url));
  return (
    <section className="card stack" aria-label="Links">
      <h2>Links</h2>
      {links.length === 0 && <Empty title="">None: set the annotation link.argocd.argoproj.io/name on the Application.</Empty>}
      <ul>
        {links.map((link, i) => (
          <li key={i}>
            <a href={safeLink(link.url)} target="_blank" rel="noreferrer">
              {link.title}
            </a>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Remove() {
  const { key, can } = useApplication();
  const [, navigate] = useLocation();
  const [asking, setAsking] = useState(false);
  const [typed, setTyped] = useState('');
  const [cascade, setCascade] = useState(true);
  const [error, setError] = useState('');
  if (!can('delete')) return null;
  const remove = () => {
    setAsking(false);
    applications.drop(key, cascade).then(
      () => navigate('/'),
      (failure: Error) => setError(failure.message),
    );
  };
  return (
    <section className="card stack" aria-label="Delete the application">
      <h2>Delete</h2>
      {error && (
        <p className="note bad" role="alert">
          {error}
        </p>
      )}
      <p>
        <button type="button" className="button danger" onClick={() => setAsking(true)}>
          Delete this application
        </button>
      </p>
      {asking && (
        <Confirm title={`Delete ${key.name}?`} confirm={`Delete ${key.name}`} danger disabled={typed !== key.name} onConfirm={remove} onClose={() => setAsking(false)}>
          <label className="check">
            <input type="checkbox" checked={cascade} onChange={(event) => setCascade(event.target.checked)} />
            Delete its objects in the cluster as well
          </label>
          <label className="field">
            <span>
              Type <span className="strong">{key.name}</span> to go on
            </span>
            <input className="input" value={typed} autoComplete="off" onChange={(event) => setTyped(event.target.value)} />
          </label>
        </Confirm>
      )}
    </section>
  );
}
