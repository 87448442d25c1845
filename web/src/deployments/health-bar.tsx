import { Health } from '../components/status';
import { toggled } from './filter';

const order = ['Degraded', 'Missing', 'Progressing', 'Suspended', 'Unknown', 'Healthy'];

/** HealthBar counts deployments by health, and filters by a press. */
export function HealthBar({ counts, chosen, onChange }: { counts: Map<string, number> | undefined; chosen: readonly string[] | undefined; onChange: (value: string) => void }) {
  if (!counts?.size) return null;
  return (
    <ul className="row wrap" aria-label="Health of the deployments">
      {order
        .filter((status) => counts.has(status))
        .map((status) => (
          <li key={status}>
            <button type="button" className="chip" aria-pressed={chosen?.includes(status) ?? false} onClick={() => onChange(toggled(chosen, status))}>
              <Health status={status} /> <span className="strong">{counts.get(status)}</span>
            </button>
          </li>
        ))}
    </ul>
  );
}
