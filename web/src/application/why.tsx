import { Link } from 'wouter';
import { applications } from '../api/endpoints';
import type { NextStep } from '../api/types';
import { Command, Failure } from '../components/parts';
import { Time } from '../components/time';
import { appPath, nodeParam } from '../state/paths';
import { useQuery } from '../state/query';
import { useApplication } from './data';

/** WhyPanel says in one sentence what is not as it should be, with the evidence and what to do next. */
export function WhyPanel() {
  const { key, row, application } = useApplication();
  const stands = `${application.data?.status?.sync?.status}/${application.data?.status?.health?.status}/${application.data?.status?.operationState?.phase}/${row?.problem ?? ''}`;
  const why = useQuery(`why:${key.namespace}/${key.name}`, () => applications.why(key), { also: stands });
  const { data } = why;
  if (!data) return why.error ? <Failure error={why.error} what="the reason" retry={why.reload} /> : null;
  if (!data.status && !data.causes?.length) return null;
  const causes = data.causes ?? [];
  const [first, ...more] = causes;
  const tone = /Degraded|Failed|Error/.test(data.status ?? '') ? 'bad' : data.status === 'Progressing' ? 'busy' : 'warn';
  return (
    <section className={`note why ${tone}`} aria-label={`Why ${data.status}`}>
      <div className="row spread wrap why-head">
        <p className="strong">{data.sentence}</p>
        <NextSteps steps={data.next ?? []} />
      </div>
      {first && (
        <details open={causes.length === 1 && (first.evidence?.length ?? 0) <= 3}>
          <summary>
            {first.object ? (
              <>
                {first.object.kind} {first.object.name}
                {first.message && `: ${first.message}`}
              </>
            ) : (
              first.message || 'Evidence'
            )}
          </summary>
          <Evidences cause={first} />
          {more.map((cause, i) => (
            <div key={i}>
              <p>
                {cause.object && `${cause.object.kind} ${cause.object.name}: `}
                {cause.message}
              </p>
              <Evidences cause={cause} />
            </div>
          ))}
          {first.object && (
            <p>
              <Link to={`${appPath(key)}?node=${encodeURIComponent(nodeParam(first.object))}`}>
                Open {first.object.kind} {first.object.name}
              </Link>
            </p>
          )}
        </details>
      )}
    </section>
  );
}

function Evidences({ cause }: { cause: { evidence?: { kind: string; text: string; time?: string | null }[] | null } }) {
  if (!cause.evidence?.length) return null;
  return (
    <ul className="evidence">
      {cause.evidence.map((evidence, i) => (
        <li key={i}>
          <span className="muted small">{evidence.kind}</span> <code>{evidence.text}</code> {evidence.time && <span className="muted small"><Time at={evidence.time} /></span>}
        </li>
      ))}
    </ul>
  );
}

function NextSteps({ steps }: { steps: NextStep[] }) {
  const { key, can, refresh, application } = useApplication();
  const podOwner = application.data?.status?.resources?.find((each) => each.health?.status === 'Degraded' || each.health?.status === 'Progressing');
  const logs = podOwner ? `${appPath(key)}?node=${encodeURIComponent(nodeParam(podOwner))}&tab=logs` : appPath(key);
  return (
    <div className="row wrap">
      {steps.map((step, i) => {
        if (step.action === 'review') return can('sync') ? <Link key={i} className="button small" to={appPath(key, 'review')}>{step.text}</Link> : null;
        if (step.action === 'diff') return <Link key={i} className="button small" to={appPath(key, 'review')}>{step.text}</Link>;
        if (step.action === 'rollback') return can('rollback') ? <Link key={i} className="button small" to={appPath(key, 'history')}>{step.text}</Link> : null;
        if (step.action === 'logs') return can('logs') ? <Link key={i} className="button small" to={logs}>{step.text}</Link> : null;
        if (step.action === 'refresh')
          return (
            <button key={i} type="button" className="button small" onClick={() => refresh('normal')}>
              {step.text}
            </button>
          );
        return (
          <span key={i} className="row wrap">
            <span>{step.text}</span>
            {step.command && <Command text={step.command} />}
          </span>
        );
      })}
    </div>
  );
}
