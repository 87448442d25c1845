// The JSON of Belay's own endpoints under /api/belay/v1, field for field as internal/server/view.go has it.

export type SyncStatus = 'Synced' | 'OutOfSync' | 'Unknown';
export type HealthStatus = 'Healthy' | 'Progressing' | 'Degraded' | 'Suspended' | 'Missing' | 'Unknown';
export type OperationPhase = 'Running' | 'Terminating' | 'Failed' | 'Error' | 'Succeeded';
export type Verb = 'sync' | 'rollback' | 'override' | 'update' | 'delete' | 'logs';

export interface Commit {
  revision: string;
  subject?: string;
  author?: string;
  date?: string | null;
  url?: string;
}

export interface PlanCounts {
  create: number;
  update: number;
  delete: number;
}

export interface Deployment {
  name: string;
  namespace: string;
  project: string;
  service: string;
  environment: string;
  labels?: Record<string, string>;
  repoURL: string;
  path?: string;
  chart?: string;
  targetRevision?: string;
  destServer?: string;
  destName?: string;
  destNamespace?: string;
  deployed?: Commit | null;
  deployedAt?: string | null;
  deployedBy?: string;
  wanted?: Commit | null;
  images?: string[] | null;
  sync: SyncStatus | '';
  health: HealthStatus | '';
  operation?: OperationPhase | '';
  pending: PlanCounts;
  problem?: string;
  autoSync: boolean;
  selfHeal: boolean;
  prune: boolean;
  window?: string;
  created: string | null;
  can: Verb[] | null;
}

export interface DeploymentList {
  items: Deployment[] | null;
  environments: string[] | null;
  cursor: string;
}

export interface ResourceRef {
  group?: string;
  version?: string;
  kind: string;
  namespace?: string;
  name: string;
  uid?: string;
}

export interface FieldChange {
  path: string;
  live?: string;
  desired?: string;
  hasLive: boolean;
  hasDesired: boolean;
  manager?: string;
}

export type PlanAction = 'create' | 'update' | 'delete';

export interface PlannedObject extends ResourceRef {
  action: PlanAction;
  reason?: string;
  restarts?: boolean;
  wave: number;
  changes?: FieldChange[] | null;
  live?: string;
  desired?: string;
  refused?: string;
}

export interface PlannedHook extends ResourceRef {
  phase: string;
  wave: number;
}

export type Severity = 'info' | 'warning' | 'danger';

export interface PlanWarning {
  severity: Severity;
  code: string;
  message: string;
  object?: ResourceRef | null;
}

export interface Plan {
  application: string;
  namespace: string;
  revisions: string[] | null;
  commits: Commit[] | null;
  digest: string;
  counts: PlanCounts;
  objects: PlannedObject[] | null;
  unchanged: number;
  hooks?: PlannedHook[] | null;
  warnings: PlanWarning[] | null;
  window?: string;
}

export interface PlanSyncRequest {
  digest: string;
  revisions: string[];
  prune?: boolean;
  reason?: string;
  objects?: ResourceRef[];
  override?: boolean;
}

export interface RollbackRequest {
  id: number;
  digest: string;
  prune?: boolean;
  reason?: string;
}

export interface Evidence {
  kind: string;
  text: string;
  time?: string | null;
}

export interface Cause {
  object?: ResourceRef | null;
  message: string;
  evidence?: Evidence[] | null;
}

export interface NextStep {
  text: string;
  command?: string;
  action?: string;
}

export interface Why {
  status?: string;
  sentence: string;
  causes: Cause[] | null;
  next: NextStep[] | null;
}

export interface HistoryEntry {
  id: number;
  revisions: string[] | null;
  commits: Commit[] | null;
  startedAt?: string | null;
  deployedAt: string;
  actor: string;
  reason?: string;
  current?: boolean;
}

export interface HistoryList {
  items: HistoryEntry[] | null;
}

export interface Activity {
  id: string;
  time: string;
  kind: string;
  application?: string;
  namespace?: string;
  project?: string;
  actor?: string;
  address?: string;
  text: string;
  reason?: string;
  revisions?: string[] | null;
  outcome?: string;
}

export interface ActivityList {
  items: Activity[] | null;
  next?: string;
}

export interface Comparison {
  from: string;
  to: string;
  commits?: Commit[] | null;
  objects: PlannedObject[] | null;
  same: number;
}

export interface Me {
  loggedIn: boolean;
  username?: string;
  groups?: string[] | null;
  issuer?: string;
  canCreate: boolean;
}

export interface SearchHit {
  kind: string;
  name: string;
  namespace?: string;
  application?: string;
  applicationNamespace?: string;
  text?: string;
}

export interface SearchResult {
  items: SearchHit[] | null;
}
