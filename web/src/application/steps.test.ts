import { describe, expect, it } from 'vitest';
import type { OperationState, ResourceResult } from '../api/argocd';
import { safeLink } from './details';
import { toSteps } from './steps';

const result = (name: string, change: Partial<ResourceResult> = {}): ResourceResult => ({ kind: 'ConfigMap', namespace: 'shop', name, syncPhase: 'Sync', status: 'Synced', ...change });
const operation = (...resources: ResourceResult[]): OperationState => ({ phase: 'Running', startedAt: '2030-01-01T00:00:00Z', syncResult: { resources } });

describe('toSteps', () => {
  it('orders phases and waves, what failed first', () => {
    const steps = toSteps(
      operation(
        result('smoke', { kind: 'Job', hookType: 'PostSync', syncPhase: 'PostSync', hookPhase: 'Running' }),
        result('late'),
        result('early'),
        result('bad', { status: 'SyncFailed' }),
        result('migrate', { kind: 'Job', hookType: 'PreSync', syncPhase: 'PreSync', hookPhase: 'Succeeded' }),
      ),
      [
        { kind: 'ConfigMap', namespace: 'shop', name: 'late', syncWave: 2 },
        { kind: 'ConfigMap', namespace: 'shop', name: 'early', syncWave: -1 },
        { kind: 'ConfigMap', namespace: 'shop', name: 'bad', syncWave: -1 },
      ],
    );
    expect(steps.map((step) => [step.phase, step.wave, step.state, step.results.map((each) => each.name)])).toEqual([
      ['PreSync', 0, 'done', ['migrate']],
      ['Sync', -1, 'failed', ['bad', 'early']],
      ['Sync', 2, 'done', ['late']],
      ['PostSync', 0, 'running', ['smoke']],
    ]);
  });

  it('knows none before there is one', () => {
    expect(toSteps(undefined, [])).toEqual([]);
  });
});

it.each([
  ['https://a.example.com', 'https://a.example.com'],
  ['javascript:alert(1)', undefined],
  [' javascript:alert(1)', undefined],
  ['data:text/html,x', undefined],
])('a link to %s', (address, want) => expect(safeLink(address)).toBe(want));
