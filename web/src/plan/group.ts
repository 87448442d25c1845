import type { Plan, PlannedObject, PlanWarning, ResourceRef } from '../api/types';
import { plural } from '../format/revision';

export type GroupKey = 'delete' | 'restart' | 'update' | 'create';

export interface PlanGroup {
  key: GroupKey;
  title: string;
  objects: PlannedObject[];
}

const titles: Record<GroupKey, string> = { delete: 'Delete', restart: 'Change and restart pods', update: 'Change', create: 'Create' };

const groupOf = (object: PlannedObject): GroupKey => (object.action === 'update' && object.restarts ? 'restart' : object.action);

/** groupPlan groups what a sync touches by what happens to it, the most far-reaching first, each in the order of its waves. */
export function groupPlan(objects: readonly PlannedObject[]): PlanGroup[] {
  return (Object.keys(titles) as GroupKey[])
    .map((key) => ({
      key,
      title: titles[key],
      objects: objects.filter((object) => groupOf(object) === key).sort((a, b) => a.wave - b.wave || a.kind.localeCompare(b.kind) || a.name.localeCompare(b.name)),
    }))
    .filter((group) => group.objects.length > 0);
}

export const refKey = (ref: ResourceRef) => `${ref.group ?? ''}/${ref.kind}/${ref.namespace ?? ''}/${ref.name}`;

export interface Selection {
  /** Objects that the reviewer left out. */
  left: ReadonlySet<string>;
  prune: boolean;
}

/** applied returns the objects that a sync with this selection touches. */
export function applied(plan: Plan, selection: Selection): PlannedObject[] {
  return (plan.objects ?? []).filter((object) => !selection.left.has(refKey(object)) && (object.action !== 'delete' || selection.prune));
}

/** buttonText says what pressing the button does. */
export function buttonText(plan: Plan, selection: Selection, rollbackTo?: string): string {
  const count = applied(plan, selection).length;
  const deletions = applied(plan, selection).filter((object) => object.action === 'delete').length;
  const what =
    count === 0
      ? plan.hooks?.length
        ? `Run ${plural(plan.hooks.length, 'hook')} of`
        : 'Sync'
      : deletions === count
        ? `Delete ${plural(count, 'object')} of`
        : `Apply ${plural(count, 'change')}${deletions ? ` (${plural(deletions, 'deletion')})` : ''} to`;
  if (rollbackTo) return count ? `Roll back ${plan.application}: ${plural(count, 'change')}` : `Roll back ${plan.application}`;
  return `${what} ${plan.application}`;
}

/** relevant are the warnings that concern what is selected. */
export function relevant(plan: Plan, selection: Selection): PlanWarning[] {
  const selected = new Set(applied(plan, selection).map(refKey));
  const planned = new Set((plan.objects ?? []).map(refKey));
  const order = { danger: 0, warning: 1, info: 2 };
  return (plan.warnings ?? [])
    .filter((warning) => !warning.object || !planned.has(refKey(warning.object)) || selected.has(refKey(warning.object)))
    .sort((a, b) => order[a.severity] - order[b.severity]);
}

/** needsName says that the name of the application must be typed first. */
export const needsName = (plan: Plan, selection: Selection) => relevant(plan, selection).some((warning) => warning.severity === 'danger');
