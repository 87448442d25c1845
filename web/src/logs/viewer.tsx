import { useVirtualizer } from '@tanstack/react-virtual';
import { useEffect, useMemo, useRef, useState } from 'react';
import { applications, type AppKey } from '../api/endpoints';
import type { ResourceRef } from '../api/types';
import { Empty } from '../components/parts';
import { plural } from '../format/revision';
import { useApplication } from '../application/data';
import { useQuery } from '../state/query';
import { useQueryString } from '../state/url';
import { levelOf, matchLines } from './lines';
import { useLogs } from './use-logs';

/** LogViewer shows the logs of a resource of the application that surrounds it. */
export default function LogViewer({ reference }: { reference: ResourceRef }) {
  const { key } = useApplication();
  return <Viewer appKey={key} reference={reference} />;
}

/** containersOf reads the names of the containers from a pod, or from the template of a workload. */
export function containersOf(manifest: string): string[] {
  try {
    interface PodSpec {
      containers?: { name: string }[];
      initContainers?: { name: string }[];
    }
    const object = JSON.parse(manifest) as { spec?: PodSpec & { template?: { spec?: PodSpec }; jobTemplate?: { spec?: { template?: { spec?: PodSpec } } } } };
    const spec = object.spec?.template?.spec ?? object.spec?.jobTemplate?.spec?.template?.spec ?? object.spec;
    return [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])].map((each) => each.name);
  } catch {
    return [];
  }
}

export function Viewer({ appKey, reference, initial = '' }: { appKey: AppKey; reference: ResourceRef; initial?: string }) {
  const [params, change] = useQueryString();
  const [timestamps, setTimestamps] = useState(false);
  const [wrap, setWrap] = useState(true);
  const live = useQuery(`containers:${reference.kind}/${reference.namespace}/${reference.name}`, () => applications.live(appKey, reference));
  const containers = useMemo(() => containersOf(live.data?.manifest ?? ''), [live.data]);
  const container = params.get('container') ?? initial;
  const follow = params.get('follow') !== 'false';
  const previous = params.get('previous') === 'true';
  const filter = params.get('filter') ?? '';
  const query = { container, follow: follow && !previous, previous, tail: Number(params.get('tail')) || 1000 };
  const logs = useLogs(appKey, reference, query);
  const lines = useMemo(() => matchLines(logs.lines, filter), [logs.lines, filter]);
  const severalPods = useMemo(() => new Set(logs.lines.map((line) => line.pod)).size > 1, [logs.lines]);

  const scroll = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  const virtual = useVirtualizer({ count: lines.length, getScrollElement: () => scroll.current, estimateSize: () => 20, overscan: 30, getItemKey: (i) => lines[i]!.number });
  useEffect(() => {
    if (query.follow && atEnd.current && lines.length) virtual.scrollToIndex(lines.length - 1, { align: 'end' });
  }, [lines, query.follow, virtual]);

  const text = () => lines.map((line) => [timestamps && line.time, severalPods && line.pod, line.text].filter(Boolean).join(' ')).join('\n');
  const download = () => {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([text()], { type: 'text/plain' }));
    link.download = `${reference.name}.log`;
    link.click();
    URL.revokeObjectURL(link.href);
  };

  return (
    <div className="logs">
      <div className="row wrap toolbar">
        <label className="row">
          <span className="muted small">Container</span>
          <select className="input" value={container} onChange={(event) => change({ container: event.target.value })}>
            <option value="">{containers.length === 1 ? containers[0] : 'All'}</option>
            {containers.length > 1 && containers.map((name) => <option key={name}>{name}</option>)}
          </select>
        </label>
        <input className="input grow" type="search" placeholder="Search; ! takes the others" aria-label="Search in the logs" value={filter} onChange={(event) => change({ filter: event.target.value })} />
        <label className="check">
          <input type="checkbox" checked={follow} disabled={previous} onChange={(event) => change({ follow: event.target.checked ? undefined : 'false' })} />
          Follow
        </label>
        <label className="check">
          <input type="checkbox" checked={previous} onChange={(event) => change({ previous: event.target.checked ? 'true' : undefined })} />
          Previous
        </label>
        <label className="check">
          <input type="checkbox" checked={timestamps} onChange={(event) => setTimestamps(event.target.checked)} />
          Times
        </label>
        <label className="check">
          <input type="checkbox" checked={wrap} onChange={(event) => setWrap(event.target.checked)} />
          Wrap
        </label>
        <button type="button" className="button small" onClick={download} disabled={lines.length === 0}>
          Download
        </button>
      </div>
      <p className="muted small" role="status">
        {filter ? `${lines.length} of ${plural(logs.lines.length, 'line')}` : plural(lines.length, 'line')}
        {query.follow && logs.open && ', following'}
        {!logs.open && !logs.error && ', end of the log'}
      </p>
      {logs.error && (
        <p className="note bad" role="alert">
          {logs.error}
        </p>
      )}
      <div
        ref={scroll}
        className={wrap ? 'log-scroll wrap-lines' : 'log-scroll'}
        role="log"
        aria-label={`Logs of ${reference.name}`}
        aria-live="off"
        tabIndex={0}
        onScroll={(event) => {
          const { scrollTop, scrollHeight, clientHeight } = event.currentTarget;
          atEnd.current = scrollHeight - scrollTop - clientHeight < 30;
        }}
      >
        {lines.length === 0 && !logs.error && <Empty title={filter ? 'No line matches' : logs.open ? 'Waiting for lines' : 'The log is empty'} />}
        <div className="virtual" style={{ height: virtual.getTotalSize() }}>
          {virtual.getVirtualItems().map((item) => {
            const line = lines[item.index]!;
            return (
              <div key={item.key} ref={virtual.measureElement} data-index={item.index} className={`log-line ${levelOf(line.text)}`} style={{ transform: `translateY(${item.start}px)` }}>
                {timestamps && <span className="muted">{line.time} </span>}
                {severalPods && <span className="log-pod">{line.pod} </span>}
                <Marked text={line.text} term={filter.startsWith('!') ? '' : filter} />
              </div>
            );
          })}
        </div>
      </div>
    </div>
  );
}

function Marked({ text, term }: { text: string; term: string }) {
  const at = term ? text.toLowerCase().indexOf(term.toLowerCase()) : -1;
  if (at < 0) return <>{text}</>;
  return (
    <>
      {text.slice(0, at)}
      <mark>{text.slice(at, at + term.length)}</mark>
      {text.slice(at + term.length)}
    </>
  );
}
