import type { PlanWarning, Severity } from '../api/types';
import { Icon } from '../components/icon';

const tones: Record<Severity, string> = { danger: 'bad', warning: 'warn', info: '' };
const words: Record<Severity, string> = { danger: 'Danger', warning: 'Warning', info: 'Note' };

/** Warnings are what to know before saying yes, the gravest first. */
export function Warnings({ warnings }: { warnings: readonly PlanWarning[] }) {
  if (warnings.length === 0) return null;
  return (
    <ul className="stack warnings" aria-label="Warnings">
      {warnings.map((warning, i) => (
        <li key={i} className={`note ${tones[warning.severity]}`} data-code={warning.code}>
          <p className="row">
            {warning.severity !== 'info' && <Icon name="warning" />}
            <span>
              <span className="strong">{words[warning.severity]}:</span> {warning.message}
            </span>
          </p>
        </li>
      ))}
    </ul>
  );
}
