import { useState } from 'react';
import type { ResourceAction } from '../api/argocd';
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
  const [asking, setAsking] = useState<ResourceAction>();
  const [deleting, setDeleting] = useState(false);
  const [busy, setBusy] = useState('');
  const [outcome, setOutcome] = useState<{ text: string; bad: boolean }>();
  const actions = useQuery(node.uid ? `actions:${key.namespace}/${key.name}:${refKey(node)}` : null, () => applications.actions(key, node));

  const run = async (name: string, what: () => Promise<unknown>) => {
    setAsking(undefined);
    setDeleting(false);
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
          <button key={action.name} type="button" className="button" disabled={action.disabled || busy !== ''} onClick={() => setAsking(action)}>
            {titleOf(action)}
          </button>
        ))}
        {mayDelete && (
          <button type="button" className="button danger" disabled={busy !== ''} onClick={() => setDeleting(true)}>
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
        <ConfirmAction
          action={asking}
          item={item}
          onClose={() => setAsking(undefined)}
          onConfirm={(params) => void run(titleOf(asking), () => applications.act(key, node, asking.name, params))}
        />
      )}
      {deleting && (
        <Confirm
          title={`Delete ${node.kind} ${node.name}?`}
          confirm={`Delete ${node.name}`}
          danger
          onClose={() => setDeleting(false)}
          onConfirm={() => void run('Delete', () => applications.remove(key, node))}
        >
          <p>
            {item.sync
              ? 'The object is deleted from the cluster. Git still has it: a sync, or auto-sync, creates it again.'
              : 'The object is deleted from the cluster. Its owner may create it again.'}
          </p>
        </Confirm>
      )}
    </div>
  );
}

const titleOf = (action: ResourceAction) => action.displayName || action.name[0]!.toUpperCase() + action.name.slice(1);

interface ConfirmActionProps {
  action: ResourceAction;
  item: ResourceItem;
  onConfirm: (params: { name: string; value: string }[]) => void;
  onClose: () => void;
}

/** ConfirmAction asks before an action is run, and for its parameters. */
function ConfirmAction({ action, item, onConfirm, onClose }: ConfirmActionProps) {
  const { node } = item;
  const [values, setValues] = useState(() => Object.fromEntries((action.params ?? []).map((param) => [param.name, param.value || param.default || ''])));
  const title = titleOf(action);
  return (
    <Confirm
      title={`${title} ${node.kind} ${node.name}?`}
      confirm={`${title} ${node.name}`}
      onClose={onClose}
      onConfirm={() => onConfirm(Object.entries(values).map(([name, value]) => ({ name, value })))}
    >
      <p>{`This changes the live object in ${node.namespace || 'the cluster'} now.`}</p>
      {(action.params ?? []).map((param) => (
        <label key={param.name} className="field">
          {param.name}
          <input
            className="input"
            value={values[param.name] ?? ''}
            inputMode={param.type === 'number' ? 'numeric' : undefined}
            onChange={(event) => setValues({ ...values, [param.name]: event.target.value })}
          />
        </label>
      ))}
    </Confirm>
  );
}
