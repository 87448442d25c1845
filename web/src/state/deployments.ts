import type { Deployment, DeploymentList } from '../api/types';

export const keyOf = (d: { namespace: string; name: string }) => `${d.namespace}/${d.name}`;

export interface Snapshot {
  rows: readonly Deployment[];
  environments: readonly string[];
  loaded: boolean;
  error?: Error | undefined;
}

/**
 * DeploymentStore holds every row that the caller may see. Changes are gathered and told at most once per interval, so that a
 * fleet in motion does not draw once per event.
 */
export class DeploymentStore {
  private rows = new Map<string, Deployment>();
  private snapshot: Snapshot = { rows: [], environments: [], loaded: false };
  private listeners = new Set<() => void>();
  private timer: ReturnType<typeof setTimeout> | undefined;
  cursor = '';

  constructor(private readonly interval = 300) {}

  replace(list: DeploymentList): void {
    this.rows = new Map((list.items ?? []).map((row) => [keyOf(row), row]));
    this.cursor = list.cursor;
    this.publish({ environments: list.environments ?? [], loaded: true, error: undefined });
  }

  fail(error: Error): void {
    this.publish({ error });
  }

  upsert(row: Deployment): void {
    this.rows.set(keyOf(row), row);
    this.schedule();
  }

  remove(key: { namespace: string; name: string }): void {
    if (this.rows.delete(keyOf(key))) this.schedule();
  }

  get(namespace: string, name: string): Deployment | undefined {
    if (namespace) return this.rows.get(`${namespace}/${name}`);
    for (const row of this.rows.values()) if (row.name === name) return row;
    return undefined;
  }

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  read = (): Snapshot => this.snapshot;

  /** flush tells of what has been gathered now. */
  flush(): void {
    if (this.timer === undefined) return;
    clearTimeout(this.timer);
    this.timer = undefined;
    this.publish({});
  }

  private schedule(): void {
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      this.publish({});
    }, this.interval);
  }

  private publish(change: Partial<Snapshot>): void {
    const known = new Set(this.snapshot.environments.concat(change.environments ?? []));
    const environments = [...(change.environments ?? this.snapshot.environments)];
    for (const row of this.rows.values()) {
      if (row.environment && !known.has(row.environment)) {
        known.add(row.environment);
        environments.push(row.environment);
      }
    }
    this.snapshot = { ...this.snapshot, ...change, rows: [...this.rows.values()], environments };
    for (const listener of this.listeners) listener();
  }
}
