import { useState } from 'react';
import type { PlannedObject } from '../api/types';
import { DiffText, FieldChanges } from '../components/manifest';
import { Icon, type IconName } from '../components/icon';
import { refKey, type GroupKey, type PlanGroup, type Selection } from './group';

const looks: Record<GroupKey, { icon: IconName; tone: string }> = {
  delete: { icon: 'minus', tone: 'bad' },
  restart: { icon: 'restart', tone: 'warn' },
  update: { icon: 'pencil', tone: 'warn' },
  create: { icon: 'plus', tone: 'good' },
};

interface Props {
  groups: PlanGroup[];
  selection?: Selection;
  selectable?: boolean;
  onToggle?: (object: PlannedObject) => void;
}

const openUpTo = 12;
const drawnUpTo = 200;

/** PlanGroups shows the objects of a plan by what happens to them. */
export function PlanGroups({ groups, selection, selectable = false, onToggle }: Props) {
  const total = groups.reduce((sum, group) => sum + group.objects.length, 0);
  return (
    <>
      {groups.map((group) => (
        <section key={group.key} className="card plan-group" aria-label={group.title}>
          <h2 className={`row tone-${looks[group.key].tone}`}>
            <Icon name={looks[group.key].icon} /> {group.title} ({group.objects.length})
          </h2>
          <Objects group={group} open={total <= openUpTo} {...(selection ? { selection } : {})} selectable={selectable && group.key !== 'delete'} {...(onToggle ? { onToggle } : {})} />
        </section>
      ))}
    </>
  );
}

function Objects({ group, open, selection, selectable, onToggle }: { group: PlanGroup; open: boolean; selection?: Selection; selectable: boolean; onToggle?: (object: PlannedObject) => void }) {
  const [all, setAll] = useState(false);
  const drawn = all ? group.objects : group.objects.slice(0, drawnUpTo);
  return (
    <>
      <ul>
        {drawn.map((object) => (
          <li key={refKey(object)}>
            <PlanObject object={object} open={open} selectable={selectable} left={selection ? selection.left.has(refKey(object)) || (object.action === 'delete' && !selection.prune) : false} onToggle={() => onToggle?.(object)} />
          </li>
        ))}
      </ul>
      {group.objects.length > drawn.length && (
        <button type="button" className="button" onClick={() => setAll(true)}>
          Show {group.objects.length - drawn.length} more
        </button>
      )}
    </>
  );
}

function PlanObject({ object, open, selectable, left, onToggle }: { object: PlannedObject; open: boolean; selectable: boolean; left: boolean; onToggle: () => void }) {
  const [shown, setShown] = useState(open && object.action === 'update');
  const [whole, setWhole] = useState(false);
  const title = `${object.kind} ${object.namespace ? `${object.namespace}/` : ''}${object.name}`;
  const changes = object.changes ?? [];
  return (
    <div className={left ? 'plan-object left' : 'plan-object'}>
      <div className="row">
        {selectable && <input type="checkbox" checked={!left} onChange={onToggle} aria-label={`Include ${title}`} />}
        <button type="button" className="plan-title grow" aria-expanded={shown} onClick={() => setShown(!shown)}>
          <Icon name={shown ? 'down' : 'right'} />
          <span className="truncate">
            <span className="muted">{object.kind}</span> <span className="strong">{object.name}</span>
            {object.namespace && <span className="muted small"> {object.namespace}</span>}
          </span>
          {left && <span className="chip fixed">left out</span>}
        </button>
        {object.wave !== 0 && <span className="chip">wave {object.wave}</span>}
        {changes.length > 0 && (
          <span className="muted small plan-fields">
            {changes.length} {changes.length === 1 ? 'field' : 'fields'}
          </span>
        )}
      </div>
      {object.refused && <p className="note bad">Would be refused: {object.refused}</p>}
      {shown && (
        <div className="plan-detail stack">
          {object.reason && <p className="muted small">{object.reason}</p>}
          {object.action === 'update' && changes.length > 0 && (
            <label className="check small">
              <input type="checkbox" checked={whole} onChange={(event) => setWhole(event.target.checked)} aria-label={`Whole manifest of ${title}`} />
              Whole manifest
            </label>
          )}
          {object.action === 'update' && changes.length > 0 && !whole ? <FieldChanges changes={changes} /> : <DiffText before={object.live ?? ''} after={object.desired ?? ''} />}
        </div>
      )}
    </div>
  );
}
