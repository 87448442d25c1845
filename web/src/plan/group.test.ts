import { describe, expect, it } from 'vitest';
import type { Plan, PlannedObject } from '../api/types';
import { applied, buttonText, groupPlan, needsName, refKey, relevant } from './group';

const object = (name: string, action: PlannedObject['action'], change: Partial<PlannedObject> = {}): PlannedObject => ({ kind: 'ConfigMap', name, namespace: 'shop', action, wave: 0, ...change });

const plan = (change: Partial<Plan> = {}): Plan => ({
  application: 'shop-prod', namespace: 'argocd', revisions: ['abc'], commits: [], digest: 'd', counts: { create: 1, update: 2, delete: 1 }, unchanged: 3,
  objects: [
    object('new', 'create'),
    object('web', 'update', { kind: 'Deployment', group: 'apps', restarts: true, wave: 2 }),
    object('settings', 'update'),
    object('data', 'delete', { kind: 'PersistentVolumeClaim' }),
  ],
  warnings: [
    { severity: 'info', code: 'HookRuns', message: 'a hook runs' },
    { severity: 'danger', code: 'PruneVolume', message: 'data is lost', object: { kind: 'PersistentVolumeClaim', namespace: 'shop', name: 'data' } },
    { severity: 'warning', code: 'Restart', message: 'pods restart', object: { group: 'apps', kind: 'Deployment', namespace: 'shop', name: 'web' } },
    { severity: 'warning', code: 'SharedResource', message: 'of two', object: { kind: 'Namespace', name: 'shop' } },
  ],
  ...change,
});

const all = { left: new Set<string>(), prune: true };
const kept = { left: new Set<string>(), prune: false };

describe('groupPlan', () => {
  it('groups by what happens, the most far-reaching first, by waves inside', () => {
    const groups = groupPlan([...plan().objects!, object('early', 'update', { wave: -1 })]);
    expect(groups.map((group) => [group.key, group.objects.map((each) => each.name)])).toEqual([
      ['delete', ['data']],
      ['restart', ['web']],
      ['update', ['early', 'settings']],
      ['create', ['new']],
    ]);
  });

  it('has no group of nothing', () => {
    expect(groupPlan([])).toEqual([]);
  });
});

describe('the button says what it does', () => {
  const without = (...names: string[]) => ({ left: new Set(plan().objects!.filter((each) => names.includes(each.name)).map(refKey)), prune: false });
  it.each([
    ['all, with prune', plan(), all, 'Apply 4 changes (1 deletion) to shop-prod'],
    ['without prune', plan(), kept, 'Apply 3 changes to shop-prod'],
    ['a part', plan(), without('new', 'web'), 'Apply 1 change to shop-prod'],
    ['deletions alone', plan({ objects: [object('data', 'delete')] }), all, 'Delete 1 object of shop-prod'],
    ['nothing', plan({ objects: [] }), all, 'Sync shop-prod'],
    ['null', plan({ objects: null, hooks: null }), all, 'Sync shop-prod'],
    ['hooks alone', plan({ objects: [], hooks: [{ kind: 'Job', name: 'migrate', phase: 'PreSync', wave: 0 }] }), all, 'Run 1 hook of shop-prod'],
  ])('%s', (_, given, selection, want) => {
    expect(buttonText(given, selection)).toBe(want);
  });

  it('says that it is a rollback', () => {
    expect(buttonText(plan(), kept, '3')).toBe('Roll back shop-prod: 3 changes');
    expect(buttonText(plan({ objects: [] }), kept, '3')).toBe('Roll back shop-prod');
  });
});

describe('warnings', () => {
  it('are those of what is selected, and those of nothing in particular, the gravest first', () => {
    expect(relevant(plan(), all).map((each) => each.code)).toEqual(['PruneVolume', 'Restart', 'SharedResource', 'HookRuns']);
    expect(relevant(plan(), kept).map((each) => each.code)).toEqual(['Restart', 'SharedResource', 'HookRuns']);
  });

  it('want the name when something is lost', () => {
    expect(needsName(plan(), all)).toBe(true);
    expect(needsName(plan(), kept)).toBe(false);
    expect(needsName(plan({ warnings: null }), all)).toBe(false);
  });
});

it('leaves deletions out unless they are wanted', () => {
  expect(applied(plan(), kept).map((each) => each.name)).toEqual(['new', 'web', 'settings']);
});
