import { useEffect, useState } from 'react';
import { ActivityFeed } from '../activity/feed';
import { useTitle } from '../components/title';
import { useQueryString } from '../state/url';

const kinds = ['sync', 'sync-failed', 'rollback', 'refresh', 'terminate', 'drift', 'health', 'settings', 'delete', 'login', 'login-failed', 'denied', 'notification'];

/** TimelinePage shows what happened across all applications, and who did it. */
export default function TimelinePage() {
  const [params, change] = useQueryString();
  useTitle('Timeline');
  const value = (key: string) => params.get(key) ?? '';
  return (
    <div className="page stack">
      <h1>Timeline</h1>
      <div className="row wrap toolbar" role="search" aria-label="Filter the timeline">
        <Typed label="Application" value={value('application')} onChange={(application) => change({ application })} />
        <Typed label="Project" value={value('project')} onChange={(project) => change({ project })} />
        <Typed label="Who" value={value('actor')} onChange={(actor) => change({ actor })} />
        <Typed label="Text" value={value('text')} onChange={(text) => change({ text })} />
        <label className="field">
          What
          <select className="input" value={value('kind')} onChange={(event) => change({ kind: event.target.value })}>
            <option value="">Everything</option>
            {kinds.map((kind) => (
              <option key={kind}>{kind}</option>
            ))}
          </select>
        </label>
      </div>
      <ActivityFeed across query={{ application: value('application'), project: value('project'), actor: value('actor'), text: value('text'), kind: value('kind') }} />
    </div>
  );
}

/** Typed asks the server only after somebody has stopped typing. */
function Typed({ label, value, onChange }: { label: string; value: string; onChange: (value: string) => void }) {
  const [text, setText] = useState(value);
  useEffect(() => setText(value), [value]);
  useEffect(() => {
    if (text === value) return;
    const timer = setTimeout(() => onChange(text), 300);
    return () => clearTimeout(timer);
  });
  return (
    <label className="field">
      {label}
      <input className="input" value={text} onChange={(event) => setText(event.target.value)} />
    </label>
  );
}
