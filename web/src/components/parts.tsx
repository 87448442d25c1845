import { useState, type ReactNode } from 'react';
import { ApiError } from '../api/client';
import type { Commit, PlanCounts } from '../api/types';
import { short, total } from '../format/revision';
import { Icon } from './icon';
import { Time } from './time';

/** CommitLine shows a commit: where it leads, what it is, whose. */
export function CommitLine({ commit, detail = false }: { commit: Commit | null | undefined; detail?: boolean }) {
  if (!commit?.revision) return <span className="muted">nothing deployed</span>;
  const sha = <code title={commit.revision}>{short(commit.revision)}</code>;
  return (
    <span className="row wrap commit">
      {commit.url ? (
        <a href={commit.url} target="_blank" rel="noreferrer" aria-label={`Commit ${short(commit.revision)} at the host of the repository`}>
          {sha}
        </a>
      ) : (
        sha
      )}
      {commit.subject && <span className={detail ? '' : 'truncate'}>{commit.subject}</span>}
      {detail && (commit.author || commit.date) && (
        <span className="muted small">
          {commit.author} {commit.date && <Time at={commit.date} />}
        </span>
      )}
    </span>
  );
}

/** Counts shows what a sync would change: +1 ~3 −0, with words for those who hear it. */
export function Counts({ counts }: { counts: PlanCounts }) {
  if (total(counts) === 0) return null;
  return (
    <span className="counts mono">
      <span className="visually-hidden">
        A sync would create {counts.create}, change {counts.update} and delete {counts.delete}
      </span>
      <span aria-hidden="true" title={`A sync would create ${counts.create}, change ${counts.update} and delete ${counts.delete}`}>
        <span className={counts.create ? 'tone-good' : 'muted'}>+{counts.create}</span> <span className={counts.update ? 'tone-warn' : 'muted'}>~{counts.update}</span>{' '}
        <span className={counts.delete ? 'tone-bad' : 'muted'}>−{counts.delete}</span>
      </span>
    </span>
  );
}

export function CopyButton({ text, what }: { text: string; what: string }) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setCopied(true);
      setTimeout(() => setCopied(false), 1500);
    } catch {
      // Without HTTPS a browser has no clipboard; the text stays selectable.
    }
  };
  return (
    <button type="button" className="button plain small" onClick={() => void copy()} aria-label={`Copy ${what}`} title={`Copy ${what}`}>
      <Icon name={copied ? 'check' : 'copy'} />
      <span className="visually-hidden" role="status">
        {copied ? 'Copied' : ''}
      </span>
    </button>
  );
}

export function Command({ text }: { text: string }) {
  return (
    <span className="command">
      <code>{text}</code>
      <CopyButton text={text} what="command" />
    </span>
  );
}

export function Failure({ error, retry, what }: { error: Error; retry?: (() => void) | undefined; what: string }) {
  const denied = error instanceof ApiError && error.status === 403;
  return (
    <div className={denied ? 'note' : 'note bad'} role="alert">
      <p className="strong">{denied ? `You may not see ${what}` : `${what[0]?.toUpperCase()}${what.slice(1)} could not be loaded`}</p>
      <p>{error.message}</p>
      {retry && !denied && (
        <p className="row note-actions">
          <button type="button" className="button small" onClick={retry}>
            Try again
          </button>
        </p>
      )}
    </div>
  );
}

export function Loading({ what }: { what: string }) {
  return (
    <div className="skeleton" role="status">
      <span className="visually-hidden">Loading {what}</span>
    </div>
  );
}

export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="empty">
      <h2>{title}</h2>
      {children && <div className="muted prose">{children}</div>}
    </div>
  );
}

/** Loaded shows what a query brought, or how it stands. */
export function Loaded<T>({ query, what, children }: { query: { data: T | undefined; error: Error | undefined; reload: () => void }; what: string; children: (data: T) => ReactNode }) {
  if (query.data !== undefined)
    return (
      <>
        {query.error && <Failure error={query.error} what={`the latest of ${what}`} retry={query.reload} />}
        {children(query.data)}
      </>
    );
  if (query.error) return <Failure error={query.error} what={what} retry={query.reload} />;
  return <Loading what={what} />;
}
