// The parts of Argo CD's JSON under /api/v1 that the pages read.

import type { HealthStatus, OperationPhase, ResourceRef, SyncStatus } from './types';

export interface ListOf<T> {
  items?: T[] | null;
}

export interface ObjectMeta {
  name: string;
  namespace?: string;
  uid?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  creationTimestamp?: string;
  deletionTimestamp?: string;
}

export interface Source {
  repoURL: string;
  path?: string;
  chart?: string;
  targetRevision?: string;
  ref?: string;
  name?: string;
  helm?: { valueFiles?: string[]; values?: string; valuesObject?: unknown; releaseName?: string; parameters?: { name: string; value: string; forceString?: boolean }[] };
  kustomize?: { images?: string[]; namePrefix?: string; nameSuffix?: string; namespace?: string; commonLabels?: Record<string, string> };
  directory?: { recurse?: boolean; jsonnet?: unknown; include?: string; exclude?: string };
  plugin?: { name?: string };
}

export interface Health {
  status?: HealthStatus;
  message?: string;
  lastTransitionTime?: string;
}

export interface ResourceStatus extends ResourceRef {
  status?: SyncStatus;
  health?: Health;
  hook?: boolean;
  requiresPruning?: boolean;
  syncWave?: number;
}

export interface ResourceResult extends ResourceRef {
  status?: string;
  message?: string;
  hookType?: string;
  hookPhase?: OperationPhase;
  syncPhase?: string;
}

export interface OperationState {
  phase: OperationPhase;
  message?: string;
  startedAt: string;
  finishedAt?: string;
  retryCount?: number;
  operation?: {
    initiatedBy?: { username?: string; automated?: boolean };
    info?: { name: string; value: string }[];
    sync?: { revision?: string; revisions?: string[]; prune?: boolean };
  };
  syncResult?: { revision?: string; revisions?: string[]; resources?: ResourceResult[] };
}

export interface Condition {
  type: string;
  message: string;
  lastTransitionTime?: string;
}

export interface Application {
  metadata: ObjectMeta;
  spec: {
    project: string;
    source?: Source;
    sources?: Source[];
    destination: { server?: string; name?: string; namespace?: string };
    syncPolicy?: {
      automated?: { enabled?: boolean; prune?: boolean; selfHeal?: boolean };
      syncOptions?: string[];
      retry?: { limit?: number };
    };
    info?: { name: string; value: string }[];
    ignoreDifferences?: unknown[];
  };
  status?: {
    sync?: { status?: SyncStatus; revision?: string; revisions?: string[] };
    health?: Health;
    resources?: ResourceStatus[];
    conditions?: Condition[];
    operationState?: OperationState;
    reconciledAt?: string;
    summary?: { images?: string[]; externalURLs?: string[] };
    sourceType?: string;
    sourceTypes?: string[];
  };
  operation?: unknown;
}

export interface TreeNode extends ResourceRef {
  /** The UIDs of the objects that own it. */
  parents?: string[];
  info?: { name: string; value: string }[];
  images?: string[];
  health?: Health;
  createdAt?: string;
  resourceVersion?: string;
}

export interface ResourceTree {
  nodes?: TreeNode[] | null;
  orphanedNodes?: TreeNode[] | null;
}

export interface ManagedResource extends ResourceRef {
  targetState?: string;
  liveState?: string;
  normalizedLiveState?: string;
  predictedLiveState?: string;
  hook?: boolean;
  modified?: boolean;
}

export interface KubeEvent {
  metadata: ObjectMeta;
  type?: string;
  reason?: string;
  message?: string;
  count?: number;
  firstTimestamp?: string;
  lastTimestamp?: string;
  eventTime?: string;
  involvedObject?: ResourceRef;
}

export interface ResourceActionParam {
  name: string;
  value?: string;
  default?: string;
  type?: string;
}

export interface ResourceAction {
  name: string;
  displayName?: string;
  disabled?: boolean;
  params?: ResourceActionParam[] | null;
}

export interface LogEntry {
  content: string;
  timeStampStr?: string;
  podName?: string;
  last?: boolean;
}

export interface ProjectRole {
  name: string;
  description?: string;
  policies?: string[];
  groups?: string[];
  jwtTokens?: { iat: number; exp?: number; id?: string }[];
}

export interface SyncWindow {
  kind?: string;
  schedule?: string;
  duration?: string;
  applications?: string[];
  namespaces?: string[];
  clusters?: string[];
  manualSync?: boolean;
  timeZone?: string;
  description?: string;
}

export interface Project {
  metadata: ObjectMeta;
  spec: {
    description?: string;
    sourceRepos?: string[];
    sourceNamespaces?: string[];
    destinations?: { server?: string; name?: string; namespace?: string }[];
    roles?: ProjectRole[];
    syncWindows?: SyncWindow[];
    clusterResourceWhitelist?: { group: string; kind: string }[];
    clusterResourceBlacklist?: { group: string; kind: string }[];
    namespaceResourceWhitelist?: { group: string; kind: string }[];
    namespaceResourceBlacklist?: { group: string; kind: string }[];
    orphanedResources?: unknown;
  };
}

export interface ConnectionState {
  status?: string;
  message?: string;
  attemptedAt?: string | null;
}

export interface Cluster {
  server: string;
  name: string;
  serverVersion?: string;
  namespaces?: string[];
  project?: string;
  labels?: Record<string, string>;
  connectionState?: ConnectionState;
  info?: { connectionState?: ConnectionState; serverVersion?: string; applicationsCount?: number; cacheInfo?: { resourcesCount?: number; apisCount?: number; lastCacheSyncTime?: string } };
}

export interface Repository {
  repo: string;
  name?: string;
  type?: string;
  project?: string;
  username?: string;
  connectionState?: ConnectionState;
}

export interface Account {
  name: string;
  enabled?: boolean;
  capabilities?: string[];
  tokens?: { id: string; issuedAt?: string | number; expiresAt?: string | number }[];
}

export interface Settings {
  url?: string;
  userLoginsDisabled?: boolean;
  oidcConfig?: { name?: string; issuer?: string } | null;
  dexConfig?: { connectors?: { name?: string; type?: string }[] } | null;
  statusBadgeEnabled?: boolean;
}
