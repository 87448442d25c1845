import { useEffect, useId, useRef, useState } from 'react';
import { Link, useLocation } from 'wouter';
import { ApiError } from '../api/client';
import { applications } from '../api/endpoints';
import type { Plan } from '../api/types';
import { Command, CommitLine, Failure, Loading } from '../components/parts';
import { plural, short } from '../format/revision';
import { applied, buttonText, groupPlan, needsName, refKey, relevant, type Selection } from '../plan/group';
import { PlanGroups } from '../plan/plan-view';
import { Warnings } from '../plan/warnings';
import { appPath } from '../state/paths';
import { useQuery } from '../state/query';
import { useQueryString } from '../state/url';
import { useApplication } from './data';

/** deploymentOf reads the id of a deployment; the first one is 0. */
const deploymentOf = (text: string | null) => (text && /^\d+$/.test(text) ? Number(text) : undefined);

/** ReviewPage shows what a sync, or a rollback, would do, and then does exactly that. */
export default function ReviewPage() {
  const { key, row } = useApplication();
  const [params] = useQueryString();
  const revision = params.get('revision') ?? '';
  const rollback = deploymentOf(params.get('rollback'));
  const [turn, setTurn] = useState(0);
  const plan = useQuery(`review:${key.namespace}/${key.name}:${revision}:${rollback ?? ''}:${turn}`, () => applications.plan(key, { revision, rollback, fresh: true }));
  const [changed, setChanged] = useState(false);

  if (!plan.data) {
    return plan.error ? (
      <Failure error={plan.error} what="the plan" retry={plan.reload} />
    ) : (
      <div className="stack">
        <p role="status">Comparing Git with the cluster…</p>
        <Loading what="the plan" />
      </div>
    );
  }
  return (
    <Review
      key={plan.data.digest}
      plan={plan.data}
      rollback={rollback}
      revision={revision}
      changed={changed}
      prune={row?.prune ?? false}
      onConflict={() => {
        setChanged(true);
        setTurn((n) => n + 1);
      }}
    />
  );
}

interface Props {
  plan: Plan;
  rollback: number | undefined;
  revision: string;
  changed: boolean;
  prune: boolean;
  onConflict: () => void;
}

function Review({ plan, rollback, revision, changed, prune: prunes, onConflict }: Props) {
  const { key, row, can, reload } = useApplication();
  const [, navigate] = useLocation();
  const [selection, setSelection] = useState<Selection>({ left: new Set(), prune: prunes });
  const [typed, setTyped] = useState('');
  const [reason, setReason] = useState('');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState('');
  const note = useRef<HTMLParagraphElement>(null);
  const describe = useId();
  useEffect(() => {
    if (changed) note.current?.focus();
  }, [changed]);

  const objects = plan.objects ?? [];
  const selected = applied(plan, selection);
  const warnings = relevant(plan, selection);
  const strict = needsName(plan, selection);
  const deletions = objects.filter((object) => object.action === 'delete').length;
  const verb = rollback !== undefined ? 'rollback' : 'sync';
  const blocked = !can(verb) ? `You may not ${verb === 'sync' ? 'sync' : 'roll back'} this application.` : plan.window ? plan.window : '';
  const nothing = objects.length === 0 && !plan.hooks?.length;
  const ready = !busy && !blocked && (!strict || typed === plan.application) && (selected.length > 0 || nothing || Boolean(plan.hooks?.length));

  const run = async () => {
    setBusy(true);
    setError('');
    const common = { digest: plan.digest, prune: selection.prune, reason: reason.trim() };
    try {
      if (rollback !== undefined) await applications.rollback(key, { id: rollback, ...common });
      else {
        const partial = selection.left.size > 0;
        await applications.sync(key, {
          ...common,
          revisions: plan.revisions ?? [],
          ...(partial ? { objects: selected.map(({ group, version, kind, namespace, name }) => ({ group, version, kind, namespace, name })) } : {}),
          ...(revision ? { override: true } : {}),
        });
      }
      reload();
      navigate(appPath(key, 'operation'));
    } catch (failure) {
      setBusy(false);
      if (failure instanceof ApiError && failure.status === 409) onConflict();
      else setError((failure as Error).message);
    }
  };

  return (
    <form
      className="review"
      onSubmit={(event) => {
        event.preventDefault();
        if (ready) void run();
      }}
    >
      <div className="review-main stack">
        {changed && (
          <p className="note warn" role="alert" tabIndex={-1} ref={note}>
            <span className="strong">The plan is another one now.</span> Git or the cluster changed while you looked, and nothing was started. This is the new plan; look again before you go on.
          </p>
        )}
        <div className="card stack">
          <h2>{rollback !== undefined ? `Roll back to deployment ${rollback}` : nothing ? 'Nothing to change' : 'What a sync would do'}</h2>
          {(plan.commits ?? []).map((commit) => (
            <CommitLine key={commit.revision} commit={commit} detail />
          ))}
          {!plan.commits?.length && <p className="mono">{plan.revisions?.map(short).join(', ')}</p>}
          <p className="row wrap">
            <Tally count={plan.counts.create} word="to create" tone="good" />
            <Tally count={plan.counts.update} word="to change" tone="warn" />
            <Tally count={plan.counts.delete} word="to delete" tone="bad" />
            <span className="muted">{plural(plan.unchanged, 'object')} unchanged</span>
          </p>
          {rollback !== undefined && row?.autoSync && <p className="note warn">Auto-sync is paused by a rollback, or it would bring the newer commit back. Switch it on again in the details once Git has what you want.</p>}
        </div>
        <Warnings warnings={warnings} />
        {nothing ? (
          <p className="note good">The cluster has what Git says. A sync would apply the same objects again.</p>
        ) : (
          <PlanGroups
            groups={groupPlan(objects)}
            selection={selection}
            selectable={rollback === undefined}
            onToggle={(object) => {
              const left = new Set(selection.left);
              if (!left.delete(refKey(object))) left.add(refKey(object));
              setSelection({ ...selection, left });
            }}
          />
        )}
        {plan.hooks && plan.hooks.length > 0 && (
          <section className="card stack" aria-label="Hooks">
            <h2>{plural(plan.hooks.length, 'hook')} will run</h2>
            <ul>
              {plan.hooks.map((hook) => (
                <li key={refKey(hook) + hook.phase} className="row wrap">
                  <span className="chip">{hook.phase}</span> {hook.kind} {hook.name} <span className="muted small">wave {hook.wave}</span>
                </li>
              ))}
            </ul>
          </section>
        )}
      </div>
      <aside className="review-side card stack" aria-label="Confirm">
        {deletions > 0 && (
          <label className="check">
            <input type="checkbox" checked={selection.prune} onChange={(event) => setSelection({ ...selection, prune: event.target.checked })} />
            Delete {plural(deletions, 'object')} that Git no longer has (prune)
          </label>
        )}
        <label className="field">
          Reason (optional)
          <textarea className="input" rows={2} value={reason} maxLength={500} placeholder="Kept in the history" onChange={(event) => setReason(event.target.value)} />
        </label>
        {strict && (
          <label className="field">
            <span>
              This cannot be undone. Type <span className="strong">{plan.application}</span> to go on
            </span>
            <input className="input" value={typed} autoComplete="off" spellCheck={false} onChange={(event) => setTyped(event.target.value)} />
          </label>
        )}
        {blocked && <p className="note warn">{blocked}</p>}
        {error && (
          <p className="note bad" role="alert">
            {error}
          </p>
        )}
        <button type="submit" className={strict ? 'button danger' : 'button primary'} disabled={!ready} aria-describedby={describe}>
          {busy ? 'Starting…' : buttonText(plan, selection, rollback?.toString())}
        </button>
        <p className="muted small" id={describe}>
          Pinned to {plan.revisions?.map(short).join(', ') || 'this plan'}: if Git or the cluster changes first, nothing is started.
          {selection.left.size > 0 && ' A part of the plan is not kept in the history of deployments.'}
        </p>
        {rollback === undefined && (
          <details>
            <summary className="small">As a command</summary>
            <Command text={`belay app sync ${plan.application}${plan.revisions?.length === 1 && plan.revisions[0] ? ` --revision ${plan.revisions[0]}` : ''}${selection.prune ? ' --prune' : ''}`} />
          </details>
        )}
        <Link className="button plain" to={appPath(key, rollback === undefined ? '' : 'history')}>
          Cancel
        </Link>
      </aside>
    </form>
  );
}

function Tally({ count, word, tone }: { count: number; word: string; tone: string }) {
  if (!count) return null;
  return (
    <span className={`strong tone-${tone}`}>
      {count} {word}
    </span>
  );
}
