import { Fragment, useMemo, useState, type ReactNode } from 'react';
import type { FieldChange } from '../api/types';
import { diffLines, hunks } from '../format/linediff';
import { CopyButton } from './parts';

/** colour marks keys and comments of a line of YAML; it does not parse. */
function colour(line: string): ReactNode {
  const match = /^(\s*(?:- )*)("[^"]*"|[^\s:#"'][^:#]*?)(:)(\s.*)?$/.exec(line);
  if (!match) return line;
  return (
    <>
      {match[1]}
      <span className="y-key">{match[2]}</span>
      {match[3]}
      {match[4]}
    </>
  );
}

/** Code shows a text with line numbers. */
export function Code({ text, what }: { text: string; what: string }) {
  const lines = text.replace(/\n$/, '').split('\n');
  return (
    <div className="code-frame">
      <div className="code-copy">
        <CopyButton text={text} what={what} />
      </div>
      <pre className="code" tabIndex={0} aria-label={what}>
        {lines.map((line, i) => (
          <span className="code-line" key={i} data-line={i + 1}>
            {colour(line)}
            {'\n'}
          </span>
        ))}
      </pre>
    </div>
  );
}

/** DiffText shows two texts line by line, without what is equal and far from a difference. */
export function DiffText({ before, after }: { before: string; after: string }) {
  const [all, setAll] = useState(false);
  const lines = useMemo(() => diffLines(before, after), [before, after]);
  const parts = useMemo(() => (all ? [{ lines, skipped: 0 }] : hunks(lines)), [lines, all]);
  const gone = lines.filter((line) => line.kind === 'gone').length;
  const added = lines.filter((line) => line.kind === 'new').length;
  return (
    <div className="code-frame">
      <div className="row spread diff-head">
        <span className="small">
          <span className="tone-good">{added} lines more</span>, <span className="tone-bad">{gone} lines less</span>
        </span>
        {lines.length > added + gone && (
          <button type="button" className="button plain small" onClick={() => setAll(!all)}>
            {all ? 'Differences only' : 'All lines'}
          </button>
        )}
      </div>
      <pre className="code diff" tabIndex={0} aria-label="Differences between live and desired">
        {parts.map((part, i) => (
          <Fragment key={i}>
            {part.skipped > 0 && <span className="diff-skip">⋯ {part.skipped} equal lines{'\n'}</span>}
            {part.lines.map((line, j) => (
              <span key={j} className={`code-line ${line.kind}`} data-line={line.after || line.before}>
                <span className="diff-mark">{line.kind === 'gone' ? '−' : line.kind === 'new' ? '+' : ' '}</span> {line.kind === 'same' ? colour(line.text) : line.text}
                {'\n'}
              </span>
            ))}
          </Fragment>
        ))}
      </pre>
    </div>
  );
}

/** FieldChanges lists fields: their path, what the cluster has, what Git wants. */
export function FieldChanges({ changes }: { changes: readonly FieldChange[] }) {
  return (
    <dl className="changes">
      {changes.map((change) => (
        <div key={change.path} className="change">
          <dt className="mono">
            {change.path}
            {change.manager && <span className="muted small"> last written by {change.manager}</span>}
          </dt>
          <dd>
            {change.hasLive && (
              <pre className="gone">
                <span className="diff-mark">−</span>
                <span className="visually-hidden">now </span>
                <code>{change.live?.trimEnd() || '""'}</code>
              </pre>
            )}
            {change.hasDesired && (
              <pre className="new">
                <span className="diff-mark">+</span>
                <span className="visually-hidden">then </span>
                <code>{change.desired?.trimEnd() || '""'}</code>
              </pre>
            )}
            {!change.hasDesired && <span className="muted small">would be removed</span>}
            {!change.hasLive && <span className="muted small">would be added</span>}
          </dd>
        </div>
      ))}
    </dl>
  );
}
