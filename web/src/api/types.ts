// The JSON of Belay's own endpoints under /api/belay/v1: as the OpenAPI document has it, with the words that a field may hold
// where the document says only that it is text.

import type * as schema from './schema';

/** Refine replaces types of fields of T. */
type Refine<T, U extends { [K in keyof U]: K extends keyof T ? unknown : never }> = Omit<T, keyof U> & U;

export type SyncStatus = 'Synced' | 'OutOfSync' | 'Unknown';
export type HealthStatus = 'Healthy' | 'Progressing' | 'Degraded' | 'Suspended' | 'Missing' | 'Unknown';
export type OperationPhase = 'Running' | 'Terminating' | 'Failed' | 'Error' | 'Succeeded';
export type Verb = 'sync' | 'rollback' | 'override' | 'update' | 'delete' | 'logs';
export type PlanAction = 'create' | 'update' | 'delete';
export type Severity = 'info' | 'warning' | 'danger';

export type Commit = schema.Commit;
export type PlanCounts = schema.PlanCounts;
export type ResourceRef = schema.ResourceRef;
export type FieldChange = schema.FieldChange;
export type PlannedHook = schema.PlannedHook;
export type Cause = schema.Cause;
export type Evidence = schema.Evidence;
export type NextStep = schema.NextStep;
export type Why = schema.Why;
export type HistoryEntry = schema.HistoryEntry;
export type HistoryList = schema.HistoryList;
export type Activity = schema.Activity;
export type ActivityList = schema.Page;
export type Me = schema.Me;
export type SearchHit = schema.SearchHit;
export type SearchList = schema.SearchList;
export type PlanSyncRequest = schema.PlanSyncRequest;
export type RollbackRequest = schema.PlanRollbackRequest;

export type Deployment = Refine<
  schema.Deployment,
  {
    sync: SyncStatus | '';
    health: HealthStatus | '';
    operation?: OperationPhase | '';
    can: Verb[] | null;
    // Go writes a time that is none as null.
    created: string | null;
  }
>;

export type DeploymentList = Refine<schema.DeploymentList, { items: Deployment[] | null }>;
export type PlannedObject = Refine<schema.PlannedObject, { action: PlanAction }>;
export type PlanWarning = Refine<schema.PlanWarning, { severity: Severity }>;
export type Plan = Refine<schema.Plan, { objects: PlannedObject[] | null; warnings: PlanWarning[] | null }>;
export type Comparison = Refine<schema.Comparison, { objects: PlannedObject[] | null }>;
