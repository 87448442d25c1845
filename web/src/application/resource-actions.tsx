import { useState } from 'react';
import { applications } from '../api/endpoints';
import { Confirm } from '../components/dialog';
import { refKey } from '../plan/group';
import { useQuery } from '../state/query';
import type { ResourceItem } from '../tree/build';
import { useApplication } from './data';

/** ResourceActions offers what the server says can be done with an object, and deleting it. */
export function ResourceActions({ item }: { item: ResourceItem }) {
  const { key, reload, can } = useApplication();
  const { node } = item;
  const [asking, setAsking] = useState<string>();
  const [busy, setBusy] = useState('');
  const [outcome, setOutcome] = useState<{ text: string; bad: boolean }>();
  const actions = useQuery(node.uid ? `actions:${key.namespace}/${key.name}:${refKey(node)}` : null, () => applications.actions(key, node));

  const run = async (name: string, what: () => Promise<unknown>) => {
    setAsking(undefined);
    setBusy(name);
    setOutcome(undefined);
    try {
      await what();
      setOutcome({ text: `${name} was started.`, bad: false });
      reload();
      actions.reload();
    } catch (error) {
      setOutcome({ text: (error as Error).message, bad: true });
    } finally {
      setBusy('');
    }
  };

  const offered = actions.data?.actions ?? [];
  const mayDelete = can('delete') && Boolean(node.uid);
  if (offered.length === 0 && !mayDelete) return null;
  return (
    <div className="stack">
      <div className="row wrap" role="group" aria-label="Actions">
        {offered.map((action) => (
          <button key={action.name} type="button" className="button" disabled={action.disabled || busy !== ''} onClick={() => setAsking(action.name)}>
            {action.displayName || action.name[0]!.toUpperCase() + action.name.slice(1)}
          </button>
        ))}
        {mayDelete && (
          <button type="button" className="button danger" disabled={busy !== ''} onClick={() => setAsking('delete')}>
            Delete
          </button>
        )}
      </div>
      {outcome && (
        <p className={outcome.bad ? 'note bad' : 'note good'} role={outcome.bad ? 'alert' : 'status'}>
          {outcome.text}
        </p>
      )}
      {asking && (
        <Confirm
          title={`${asking[0]!.toUpperCase()}${asking.slice(1)} ${node.kind} ${node.name}?`}
          confirm={`${asking[0]!.toUpperCase()}${asking.slice(1)} ${node.name}`}
          danger={asking === 'delete'}
          onClose={() => setAsking(undefined)}
          onConfirm={() => void run(asking, () => (asking === 'delete' ? applications.remove(key, node) : applications.act(key, node, asking)))}
        >
          <p>
            {asking === 'delete'
              ? item.sync
                ? 'The object is deleted from the cluster. Git still has it: a sync, or auto-sync, creates it again.'
                : 'The object is deleted from the cluster. Its owner may create it again.'
              : `This changes the live object in ${node.namespace || 'the cluster'} now.`}
          </p>
        </Confirm>
      )}
    </div>
  );
}
