import type { OperationState, ResourceResult, ResourceStatus } from '../api/argocd';
import type { Plan } from '../api/types';
import { refKey } from '../plan/group';

export interface Step {
  key: string;
  phase: string;
  wave: number;
  results: ResourceResult[];
  state: 'running' | 'failed' | 'done';
}

const phases = ['PreSync', 'Sync', 'PostSync', 'SyncFail', 'PostDelete'];

const failed = (result: ResourceResult) => result.status === 'SyncFailed' || result.hookPhase === 'Failed' || result.hookPhase === 'Error';
const running = (result: ResourceResult) => result.hookPhase === 'Running' || result.hookPhase === 'Terminating';

/** toSteps arranges the results of an operation by phase and wave; waves come from the application's status and its plan. */
export function toSteps(operation: OperationState | undefined, resources: readonly ResourceStatus[], plan?: Plan): Step[] {
  const waves = new Map<string, number>();
  for (const resource of resources) if (resource.syncWave) waves.set(refKey(resource), resource.syncWave);
  for (const object of [...(plan?.objects ?? []), ...(plan?.hooks ?? [])]) waves.set(refKey(object), object.wave);
  const steps = new Map<string, Step>();
  for (const result of operation?.syncResult?.resources ?? []) {
    const phase = result.syncPhase || result.hookType || 'Sync';
    const wave = waves.get(refKey(result)) ?? 0;
    const key = `${phase}/${wave}`;
    const step = steps.get(key) ?? { key, phase, wave, results: [], state: 'done' };
    step.results.push(result);
    steps.set(key, step);
  }
  for (const step of steps.values()) {
    if (step.results.some(failed)) step.state = 'failed';
    else if (step.results.some(running)) step.state = 'running';
    step.results.sort((a, b) => Number(failed(b)) - Number(failed(a)) || Number(running(b)) - Number(running(a)));
  }
  const rank = (phase: string) => (phases.indexOf(phase) + 1 || 99) - 1;
  return [...steps.values()].sort((a, b) => rank(a.phase) - rank(b.phase) || a.wave - b.wave);
}

export type Outcome = 'failed' | 'running' | 'done';
export const outcomeOf = (result: ResourceResult): Outcome => (failed(result) ? 'failed' : running(result) ? 'running' : 'done');
