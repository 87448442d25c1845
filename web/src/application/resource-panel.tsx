import { lazy, Suspense, useEffect, useId, useRef, useState } from 'react';
import { applications } from '../api/endpoints';
import type { ManagedResource } from '../api/argocd';
import { Icon } from '../components/icon';
import { Code, DiffText, FieldChanges } from '../components/manifest';
import { CopyButton, Empty, Loaded, Loading } from '../components/parts';
import { Tabs } from '../components/tabs';
import { Health, Sync } from '../components/status';
import { Time } from '../components/time';
import { manifest } from '../format/yaml';
import { refKey } from '../plan/group';
import { useQuery } from '../state/query';
import { useQueryString } from '../state/url';
import type { ResourceItem } from '../tree/build';
import { useApplication } from './data';
import { Events } from './events';
import { ResourceActions } from './resource-actions';

const Logs = lazy(() => import('../logs/viewer'));

const withLogs = /^(Pod|Deployment|StatefulSet|DaemonSet|ReplicaSet|Job|Rollout|CronJob)$/;

/** ResourcePanel shows one object: what it is, its manifests and what differs, its events, its logs, and what can be done. */
export function ResourcePanel({ item, onClose, canLogs }: { item: ResourceItem; onClose: () => void; canLogs: boolean }) {
  const [params, change] = useQueryString();
  const panel = useRef<HTMLElement>(null);
  const id = useId();
  const { node } = item;
  useEffect(() => panel.current?.focus(), []);

  const tabs = [
    { key: 'summary', title: 'Summary' },
    ...(canLogs && withLogs.test(node.kind) ? [{ key: 'logs', title: 'Logs' }] : []),
    { key: 'events', title: 'Events' },
    ...(item.sync ? [{ key: 'diff', title: 'Diff' }, { key: 'desired', title: 'Desired' }] : []),
    { key: 'manifest', title: 'Live' },
  ];
  const wanted = params.get('tab') ?? '';
  const tab = tabs.some((each) => each.key === wanted) ? wanted : 'summary';

  return (
    <section
      ref={panel}
      className="panel"
      tabIndex={-1}
      aria-labelledby={id}
      onKeyDown={(event) => {
        if (event.key === 'Escape' && !(event.target instanceof HTMLInputElement) && !document.querySelector('dialog[open]')) onClose();
      }}
    >
      <div className="row spread panel-head">
        <div className="grow">
          <h2 id={id} className="truncate" title={node.name}>
            {node.name}
          </h2>
          <p className="muted small truncate">
            {node.kind}
            {node.group && ` · ${node.group}`}
            {node.namespace && ` · ${node.namespace}`}
          </p>
        </div>
        {item.health && <Health status={item.health} />}
        {item.sync && <Sync status={item.sync} />}
        <button type="button" className="button plain small" aria-label="Close the resource" onClick={onClose}>
          <Icon name="close" />
        </button>
      </div>
      <Tabs label="Resource" tabs={tabs} selected={tab} onSelect={(next) => change({ tab: next === 'summary' ? undefined : next })}>
        {tab === 'summary' && <Summary item={item} />}
        {tab === 'events' && <Events reference={node} />}
        {tab === 'diff' && <Diff item={item} />}
        {tab === 'desired' && <Desired item={item} />}
        {tab === 'manifest' && <Live item={item} />}
        {tab === 'logs' && (
          <Suspense fallback={<Loading what="the logs" />}>
            <Logs reference={node} />
          </Suspense>
        )}
      </Tabs>
    </section>
  );
}

function Summary({ item }: { item: ResourceItem }) {
  const { node } = item;
  const where = node.namespace ? `-n ${node.namespace} ` : '';
  return (
    <div className="stack">
      {node.health?.message && <p className={item.health === 'Degraded' ? 'note bad' : 'note'}>{node.health.message}</p>}
      {item.requiresPruning && <p className="note warn">Git no longer has this object. A sync with prune deletes it.</p>}
      <dl className="facts">
        <dt>Kind</dt>
        <dd>
          {node.kind} <span className="muted">{[node.group, node.version].filter(Boolean).join('/')}</span>
        </dd>
        <dt>Name</dt>
        <dd>
          {node.name} <CopyButton text={node.name} what="name" />
        </dd>
        {node.namespace && (
          <>
            <dt>Namespace</dt>
            <dd>{node.namespace}</dd>
          </>
        )}
        <dt>Created</dt>
        <dd>
          <Time at={node.createdAt} both fallback="not in the cluster" />
        </dd>
        {item.wave !== 0 && (
          <>
            <dt>Sync wave</dt>
            <dd>{item.wave}</dd>
          </>
        )}
        {node.images && node.images.length > 0 && (
          <>
            <dt>Images</dt>
            <dd>
              {node.images.map((each) => (
                <div key={each} className="mono">
                  {each}
                </div>
              ))}
            </dd>
          </>
        )}
        {node.info?.map((each) => (
          <InfoRow key={each.name} {...each} />
        ))}
        {item.children.length > 0 && (
          <>
            <dt>Owns</dt>
            <dd>{item.below} objects</dd>
          </>
        )}
      </dl>
      <ResourceActions item={item} />
      <p className="row wrap small muted">
        As a command: <code>{`kubectl ${where}get ${node.kind.toLowerCase()} ${node.name} -o yaml`}</code>
        <CopyButton text={`kubectl ${where}get ${node.kind.toLowerCase()} ${node.name} -o yaml`} what="command" />
      </p>
    </div>
  );
}

function InfoRow({ name, value }: { name: string; value: string }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </>
  );
}

function useManaged() {
  const { key, application } = useApplication();
  return useQuery(`managed:${key.namespace}/${key.name}`, async () => (await applications.managed(key)).items ?? [], { also: application.data?.status?.reconciledAt });
}

const same = (item: ResourceItem) => (each: ManagedResource) => refKey(each) === refKey(item.node);

function Live({ item }: { item: ResourceItem }) {
  const { key } = useApplication();
  const live = useQuery(`live:${key.namespace}/${key.name}:${refKey(item.node)}:${item.node.resourceVersion ?? ''}`, () => applications.live(key, item.node));
  return (
    <Loaded query={live} what="the live manifest">
      {(data) => <Code text={manifest(data.manifest)} what="live manifest" />}
    </Loaded>
  );
}

function Desired({ item }: { item: ResourceItem }) {
  const managed = useManaged();
  return (
    <Loaded query={managed} what="the desired manifest">
      {(items) => {
        const text = manifest(items.find(same(item))?.targetState);
        return text ? <Code text={text} what="desired manifest" /> : <Empty title="Git has no such object" />;
      }}
    </Loaded>
  );
}

/** Diff shows the fields that the plan would change, and both manifests line by line. */
function Diff({ item }: { item: ResourceItem }) {
  const { key, application } = useApplication();
  const [lines, setLines] = useState(false);
  const plan = useQuery(`plan:${key.namespace}/${key.name}`, () => applications.plan(key, {}), { also: application.data?.status?.reconciledAt });
  return (
    <Loaded query={plan} what="the differences">
      {(data) => {
        const object = data.objects?.find((each) => refKey(each) === refKey(item.node));
        if (!object) return <Empty title="No difference">The cluster has what Git says.</Empty>;
        return (
          <div className="stack">
            {object.reason && <p className="muted">{object.reason}</p>}
            <label className="check">
              <input type="checkbox" checked={lines} onChange={(event) => setLines(event.target.checked)} />
              Whole manifests
            </label>
            {lines || !object.changes?.length ? <DiffText before={object.live ?? ''} after={object.desired ?? ''} /> : <FieldChanges changes={object.changes} />}
          </div>
        );
      }}
    </Loaded>
  );
}
