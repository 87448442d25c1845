import { Link } from 'wouter';
import { Icon } from '../components/icon';
import { Empty, Loading } from '../components/parts';
import { Health, Operation } from '../components/status';
import { Time, useNow } from '../components/time';
import { Who } from '../deployments/cell';
import { short } from '../format/revision';
import { duration, parseTime } from '../format/time';
import { refKey } from '../plan/group';
import { appPath, nodeParam } from '../state/paths';
import { useApplication } from './data';
import { outcomeOf, toSteps, type Step } from './steps';

/** OperationPage follows the running sync, or shows how the last one went, by phases and waves. */
export default function OperationPage() {
  const { key, application, running } = useApplication();
  const now = useNow();
  const app = application.data;
  if (!app) return <Loading what="the operation" />;
  const state = app.status?.operationState;
  // A request stands in the application until it is taken up; what the status says until then is of the one before.
  const waiting = Boolean(app.operation) && state?.phase !== 'Running';
  if (waiting) return <p className="note busy" role="status">The sync was asked for and starts in a moment.</p>;
  if (!state) return <Empty title="Nothing was synced yet" />;

  const started = parseTime(state.startedAt);
  const ended = parseTime(state.finishedAt);
  const steps = toSteps(state, app.status?.resources ?? []);
  const revisions = state.syncResult?.revisions?.length ? state.syncResult.revisions : [state.syncResult?.revision ?? state.operation?.sync?.revision ?? ''];
  const reason = state.operation?.info?.find((each) => /reason/i.test(each.name))?.value;
  const by = state.operation?.initiatedBy;
  const health = app.status?.health?.status;
  const tone = state.phase === 'Succeeded' ? 'good' : running ? 'busy' : 'bad';
  return (
    <div className="stack">
      <section className={`note ${tone}`} role="status" aria-label="Outcome">
        <p className="row wrap">
          <Operation phase={state.phase} />
          <span className="mono">{revisions.filter(Boolean).map(short).join(', ')}</span>
          <span>
            by <Who name={by?.automated ? 'automated' : by?.username || 'unknown'} />
          </span>
          {started !== undefined && <span>{running ? `running for ${duration(Math.max(now, Date.now()) - started)}` : ended !== undefined && `took ${duration(ended - started)}`}</span>}
          <span className="muted">
            started <Time at={state.startedAt} both />
          </span>
          {(state.retryCount ?? 0) > 0 && <span className="tone-warn">attempt {state.retryCount! + 1}</span>}
        </p>
        {state.message && <p>{state.message}</p>}
        {reason && <p className="muted">Reason: {reason}</p>}
      </section>
      {!running && state.phase === 'Succeeded' && (
        <p className="row wrap">
          The application is <Health status={health} />
          {health === 'Progressing' && <span className="muted">and pods are still being replaced</span>}
          <Link to={appPath(key)}>Overview</Link>
          <Link to={appPath(key, 'history')}>History</Link>
        </p>
      )}
      {steps.length === 0 && running && <Empty title="No object was written yet" />}
      <ol className="stack steps" aria-label="Phases and waves">
        {steps.map((step) => (
          <li key={step.key}>
            <StepCard step={step} />
          </li>
        ))}
      </ol>
    </div>
  );
}

const titles: Record<string, string> = { PreSync: 'Before the sync', Sync: 'Sync', PostSync: 'After the sync', SyncFail: 'After a failed sync' };
const marks = {
  failed: { icon: 'failed', tone: 'bad', word: 'failed' },
  running: { icon: 'running', tone: 'busy', word: 'running' },
  done: { icon: 'check', tone: 'good', word: 'done' },
} as const;

function StepCard({ step }: { step: Step }) {
  const { key } = useApplication();
  const mark = marks[step.state];
  return (
    <section className="card" aria-label={`${step.phase} wave ${step.wave}`}>
      <h2 className="row wrap">
        <span className={`status tone-${mark.tone}`}>
          <Icon name={mark.icon} spin={step.state === 'running'} /> {mark.word}
        </span>
        {titles[step.phase] ?? step.phase}
        <span className="muted small">
          wave {step.wave}, {step.results.length} {step.results.length === 1 ? 'object' : 'objects'}
        </span>
      </h2>
      <ul className="step-results">
        {step.results.map((result) => {
          const outcome = marks[outcomeOf(result)];
          return (
            <li key={refKey(result) + (result.hookType ?? '')} className="row">
              <span className={`tone-${outcome.tone}`}>
                <Icon name={outcome.icon} spin={outcome.word === 'running'} />
                <span className="visually-hidden">{outcome.word}</span>
              </span>
              <span className="grow">
                <Link to={`${appPath(key)}?node=${encodeURIComponent(nodeParam(result))}${result.hookType && outcome.word !== 'done' ? '&tab=logs' : ''}`}>
                  {result.kind} {result.name}
                </Link>{' '}
                {result.hookType && <span className="chip">{result.hookType} hook</span>} <span className={outcome.word === 'failed' ? 'tone-bad' : 'muted'}>{result.message}</span>
              </span>
            </li>
          );
        })}
      </ul>
    </section>
  );
}
