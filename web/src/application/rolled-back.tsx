import { useState } from 'react';
import { applications } from '../api/endpoints';
import { Confirm } from '../components/dialog';
import { useApplication } from './data';

/** RolledBack says that auto-sync stands still although the application has a policy for it, and offers to go on. */
export function RolledBack() {
  const { key, application, can, reload } = useApplication();
  const [asking, setAsking] = useState(false);
  const [error, setError] = useState('');
  const automated = application.data?.spec.syncPolicy?.automated;
  if (!automated || automated.enabled !== false) return null;
  const resume = () => {
    setAsking(false);
    applications.patch(key, { spec: { syncPolicy: { automated: { enabled: true } } } }).then(reload, (failure: Error) => setError(failure.message));
  };
  return (
    <div className="note warn row spread wrap">
      <p>
        <span className="strong">Auto-sync is paused.</span> What Git gets from now on is not deployed by itself.
      </p>
      {can('update') && (
        <button type="button" className="button small" onClick={() => setAsking(true)}>
          Resume auto-sync
        </button>
      )}
      {error && <p role="alert">{error}</p>}
      {asking && (
        <Confirm title="Resume auto-sync?" confirm="Resume auto-sync" onConfirm={resume} onClose={() => setAsking(false)}>
          <p>Belay then deploys what Git has now, and every commit after it. Review the plan first if you are not sure.</p>
        </Confirm>
      )}
    </div>
  );
}
