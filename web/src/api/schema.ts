// Written by build/types.mjs from openapi.json. Do not change it by hand.

export interface Account {
  capabilities?: string[] | null;
  enabled: boolean;
  name: string;
  tokens?: AccountToken[] | null;
}

export interface AccountToken {
  expiresAt?: number;
  id: string;
  issuedAt: number;
}

export interface AccountsList {
  items: Account[] | null;
}

export interface Activity {
  actor?: string;
  address?: string;
  application?: string;
  id: string;
  kind: string;
  namespace?: string;
  outcome?: string;
  project?: string;
  reason?: string;
  revisions?: string[] | null;
  text: string;
  time: KubeTime;
}

export interface ApplicationPatchRequest {
  appNamespace?: string;
  name?: string;
  patch: string;
  patchType?: string;
  project?: string;
}

export interface ApplicationResourceResponse {
  manifest: string;
}

export type ApplicationResponse = unknown;

export interface ApplicationRollbackRequest {
  appNamespace?: string;
  dryRun?: boolean;
  id: number;
  name?: string;
  project?: string;
  prune?: boolean;
}

export interface ApplicationSyncRequest {
  appNamespace?: string;
  dryRun?: boolean;
  infos?: Info[] | null;
  manifests?: string[] | null;
  name?: string;
  project?: string;
  prune?: boolean;
  resources?: SyncOperationResource[] | null;
  retryStrategy?: RetryStrategy;
  revision?: string;
  revisions?: string[] | null;
  sourcePositions?: number[] | null;
  strategy?: SyncStrategy;
  syncOptions?: SyncOptions;
}

export interface ApplicationSyncWindow {
  duration: string;
  kind: string;
  manualSync: boolean;
  schedule: string;
}

export interface ApplicationSyncWindowsResponse {
  activeWindows?: ApplicationSyncWindow[] | null;
  assignedWindows?: ApplicationSyncWindow[] | null;
  canSync: boolean;
}

export interface ApplicationTree {
  nodes?: ResourceNode[] | null;
  orphanedNodes?: ResourceNode[] | null;
}

export interface ApplicationWatchEvent {
  application: Application;
  type: string;
}

export interface CanIResponse {
  value: string;
}

export interface Cause {
  evidence?: Evidence[] | null;
  message: string;
  object?: ResourceRef;
}

export interface Cluster {
  annotations?: Record<string, string>;
  clusterResources?: boolean;
  config: ClusterConfig;
  connectionState: ConnectionState;
  info: ClusterInfo;
  labels?: Record<string, string>;
  name: string;
  namespaces?: string[] | null;
  project?: string;
  server: string;
  serverVersion?: string;
  shard?: number;
}

export interface ClusterConfig {
  tlsClientConfig: ClusterTLSConfig;
}

export interface ClusterInfo {
  applicationsCount: number;
  connectionState: ConnectionState;
  serverVersion?: string;
}

export interface ClusterList {
  items: Cluster[] | null;
}

export interface ClusterTLSConfig {
  insecure: boolean;
  serverName?: string;
}

export interface Commit {
  author?: string;
  date?: KubeTime;
  revision: string;
  subject?: string;
  url?: string;
}

export interface Comparison {
  commits?: Commit[] | null;
  from: string;
  objects: PlannedObject[] | null;
  same: number;
  to: string;
}

export interface ConnectionState {
  message: string;
  status: string;
}

export interface Deployment {
  autoSync: boolean;
  can: string[] | null;
  chart?: string;
  created: KubeTime;
  deployed?: Commit;
  deployedAt?: KubeTime;
  deployedBy?: string;
  destName?: string;
  destNamespace?: string;
  destServer?: string;
  environment: string;
  health: string;
  images?: string[] | null;
  labels?: Record<string, string>;
  name: string;
  namespace: string;
  operation?: string;
  path?: string;
  pending: PlanCounts;
  problem?: string;
  project: string;
  prune: boolean;
  repoURL: string;
  selfHeal: boolean;
  service: string;
  sync: string;
  targetRevision?: string;
  wanted?: Commit;
  window?: string;
}

export interface DeploymentList {
  cursor: string;
  environments: string[] | null;
  items: Deployment[] | null;
}

export interface DetailedProjectsResponse {
  clusters?: Cluster[] | null;
  globalProjects?: AppProject[] | null;
  project?: AppProject;
  repositories?: Repository[] | null;
}

export type Empty = unknown;

export type EmptyResponse = unknown;

export interface Evidence {
  kind: string;
  text: string;
  time?: KubeTime;
}

export interface FieldChange {
  desired?: string;
  hasDesired: boolean;
  hasLive: boolean;
  live?: string;
  manager?: string;
  path: string;
}

export interface GetUserInfoResponse {
  groups?: string[] | null;
  iss?: string;
  loggedIn: boolean;
  username?: string;
}

export interface GlobalProjectsResponse {
  items?: AppProject[] | null;
}

export interface GnuPGPublicKey {
  keyData?: string;
  keyID: string;
}

export interface GnuPGPublicKeyList {
  items: GnuPGPublicKey[] | null;
}

export interface HistoryEntry {
  actor: string;
  commits: Commit[] | null;
  current?: boolean;
  deployedAt: KubeTime;
  id: number;
  reason?: string;
  revisions: string[] | null;
  startedAt?: KubeTime;
}

export interface HistoryList {
  items: HistoryEntry[] | null;
}

export interface InfoItem {
  name?: string;
  value?: string;
}

export interface LinkInfo {
  description?: string;
  iconClass?: string;
  title: string;
  url: string;
}

export interface LinksResponse {
  items: LinkInfo[] | null;
}

export interface LogEntry {
  content: string;
  last: boolean;
  podName: string;
  timeStamp?: KubeTime;
  timeStampStr: string;
}

export interface ManagedResourcesResponse {
  items: ResourceDiff[] | null;
}

export interface ManifestResponse {
  manifests: string[] | null;
  namespace?: string;
  revision?: string;
  revisions?: string[] | null;
  server?: string;
  sourceType?: string;
}

export interface Me {
  canCreate: boolean;
  groups?: string[] | null;
  issuer?: string;
  loggedIn: boolean;
  username?: string;
}

export interface NextStep {
  action?: string;
  command?: string;
  text: string;
}

export interface NodeRef {
  group?: string;
  kind?: string;
  name?: string;
  namespace?: string;
  uid?: string;
  version?: string;
}

export interface OIDCConfig {
  cliClientID?: string;
  clientID?: string;
  enablePKCEAuthentication?: boolean;
  issuer?: string;
  name?: string;
  scopes?: string[] | null;
}

export type OperationTerminateResponse = unknown;

export interface Page {
  items: Activity[] | null;
  next?: string;
}

export interface Plan {
  application: string;
  commits: Commit[] | null;
  counts: PlanCounts;
  digest: string;
  hooks?: PlannedHook[] | null;
  namespace: string;
  objects: PlannedObject[] | null;
  revisions: string[] | null;
  unchanged: number;
  warnings: PlanWarning[] | null;
  window?: string;
}

export interface PlanCounts {
  create: number;
  delete: number;
  update: number;
}

export interface PlanRollbackRequest {
  digest: string;
  id: number;
  prune?: boolean;
  reason?: string;
}

export interface PlanSyncRequest {
  digest: string;
  objects?: ResourceRef[] | null;
  override?: boolean;
  prune?: boolean;
  reason?: string;
  revisions: string[] | null;
}

export interface PlanWarning {
  code: string;
  message: string;
  object?: ResourceRef;
  severity: string;
}

export interface PlannedHook {
  group?: string;
  kind: string;
  name: string;
  namespace?: string;
  phase: string;
  uid?: string;
  version?: string;
  wave: number;
}

export interface PlannedObject {
  action: string;
  changes?: FieldChange[] | null;
  desired?: string;
  group?: string;
  kind: string;
  live?: string;
  name: string;
  namespace?: string;
  reason?: string;
  refused?: string;
  restarts?: boolean;
  uid?: string;
  version?: string;
  wave: number;
}

export interface Problem {
  code: number;
  error: string;
  hint?: string;
  message: string;
}

export interface ProjectCreateRequest {
  project: AppProject;
  upsert?: boolean;
}

export interface ProjectUpdateRequest {
  project: AppProject;
}

export interface RepoCreds {
  enableOCI?: boolean;
  type?: string;
  url: string;
}

export interface RepoCredsList {
  items: RepoCreds[] | null;
}

export interface Repository {
  connectionState: ConnectionState;
  enableLfs?: boolean;
  enableOCI?: boolean;
  hasCredentials?: boolean;
  inheritedCreds?: boolean;
  insecure?: boolean;
  insecureIgnoreHostKey?: boolean;
  name?: string;
  project?: string;
  repo: string;
  type?: string;
}

export interface RepositoryCertificate {
  certData?: string;
  certInfo: string;
  certSubType: string;
  certType: string;
  serverName: string;
}

export interface RepositoryCertificateList {
  items: RepositoryCertificate[] | null;
}

export interface RepositoryList {
  items: Repository[] | null;
}

export interface ResourceAction {
  disabled?: boolean;
  displayName?: string;
  name: string;
  params?: ResourceActionParam[] | null;
}

export interface ResourceActionParam {
  name: string;
  value?: string;
}

export interface ResourceActionRunRequestV2 {
  action?: string;
  appNamespace?: string;
  group?: string;
  kind?: string;
  name?: string;
  namespace?: string;
  project?: string;
  resourceActionParameters?: ResourceActionParam[] | null;
  resourceName?: string;
  version?: string;
}

export interface ResourceActionsListResponse {
  actions: ResourceAction[] | null;
}

export interface ResourceDiff {
  group?: string;
  hook?: boolean;
  kind?: string;
  liveState?: string;
  modified?: boolean;
  name?: string;
  namespace?: string;
  normalizedLiveState?: string;
  predictedLiveState?: string;
  resourceVersion?: string;
  targetState?: string;
}

export interface ResourceNode {
  createdAt?: KubeTime;
  group?: string;
  health?: HealthStatus;
  images?: string[] | null;
  info?: InfoItem[] | null;
  kind?: string;
  name?: string;
  namespace?: string;
  parentRefs?: NodeRef[] | null;
  resourceVersion?: string;
  uid?: string;
  version?: string;
}

export interface ResourceRef {
  group?: string;
  kind: string;
  name: string;
  namespace?: string;
  uid?: string;
  version?: string;
}

export interface RevisionMetadata {
  author?: string;
  date?: KubeTime;
  message?: string;
  tags?: string[] | null;
}

export interface SearchHit {
  application: string;
  kind: string;
  namespace: string;
  object?: ResourceRef;
  text: string;
}

export interface SearchList {
  items: SearchHit[] | null;
  more?: boolean;
}

export interface SessionCreateRequest {
  password?: string;
  token?: string;
  username?: string;
}

export interface SessionResponse {
  token: string;
}

export interface Settings {
  appLabelKey?: string;
  appsInAnyNamespaceEnabled: boolean;
  controllerNamespace?: string;
  execEnabled: boolean;
  impersonationEnabled: boolean;
  installationID?: string;
  oidcConfig?: OIDCConfig;
  passwordPattern?: string;
  statusBadgeEnabled: boolean;
  statusBadgeRootUrl?: string;
  trackingMethod?: string;
  uiBannerContent?: string;
  uiBannerPermanent?: boolean;
  uiBannerPosition?: string;
  uiBannerURL?: string;
  url?: string;
  userLoginsDisabled: boolean;
}

export interface StreamEvent {
  cursor?: string;
  deployment?: Deployment;
  event: string;
  name?: string;
  namespace?: string;
}

export interface SyncOptions {
  items: string[] | null;
}

export interface SyncWindowsResponse {
  windows?: SyncWindow[] | null;
}

export interface UpdatePasswordRequest {
  currentPassword?: string;
  name?: string;
  newPassword?: string;
}

export type UpdatePasswordResponse = unknown;

export interface VersionMessage {
  GoVersion?: string;
  Platform?: string;
  Version: string;
}

export interface Why {
  causes: Cause[] | null;
  next: NextStep[] | null;
  sentence: string;
  status?: string;
}

export type IntstrIntOrString = string | number;

export type RuntimeRawExtension = unknown;

export interface KubeEvent {
  action?: string;
  apiVersion?: string;
  count?: number;
  eventTime?: KubeMicroTime;
  firstTimestamp?: KubeTime;
  involvedObject: KubeObjectReference;
  kind?: string;
  lastTimestamp?: KubeTime;
  message?: string;
  metadata?: KubeObjectMeta;
  reason?: string;
  related?: KubeObjectReference;
  reportingComponent: string;
  reportingInstance: string;
  series?: KubeEventSeries;
  source?: KubeEventSource;
  type?: string;
}

export interface KubeEventList {
  apiVersion?: string;
  items: KubeEvent[] | null;
  kind?: string;
  metadata?: KubeListMeta;
}

export interface KubeEventSeries {
  count?: number;
  lastObservedTime?: KubeMicroTime;
}

export interface KubeEventSource {
  component?: string;
  host?: string;
}

export type KubeFieldsV1 = unknown;

export interface KubeGroupKind {
  group: string;
  kind: string;
}

export interface KubeListMeta {
  continue?: string;
  remainingItemCount?: number;
  resourceVersion?: string;
  selfLink?: string;
  shardInfo?: KubeShardInfo;
}

export interface KubeManagedFieldsEntry {
  apiVersion?: string;
  fieldsType?: string;
  fieldsV1?: KubeFieldsV1;
  manager?: string;
  operation?: string;
  subresource?: string;
  time?: KubeTime;
}

export type KubeMicroTime = string;

export interface KubeObjectMeta {
  annotations?: Record<string, string>;
  creationTimestamp?: KubeTime;
  deletionGracePeriodSeconds?: number;
  deletionTimestamp?: KubeTime;
  finalizers?: string[] | null;
  generateName?: string;
  generation?: number;
  labels?: Record<string, string>;
  managedFields?: KubeManagedFieldsEntry[] | null;
  name?: string;
  namespace?: string;
  ownerReferences?: KubeOwnerReference[] | null;
  resourceVersion?: string;
  selfLink?: string;
  uid?: string;
}

export interface KubeObjectReference {
  apiVersion?: string;
  fieldPath?: string;
  kind?: string;
  name?: string;
  namespace?: string;
  resourceVersion?: string;
  uid?: string;
}

export interface KubeOwnerReference {
  apiVersion: string;
  blockOwnerDeletion?: boolean;
  controller?: boolean;
  kind: string;
  name: string;
  uid: string;
}

export interface KubeShardInfo {
  selector: string;
}

export type KubeTime = string;

export interface AppHealthStatus {
  lastTransitionTime?: KubeTime;
  message?: string;
  status?: string;
}

export interface AppProject {
  apiVersion?: string;
  kind?: string;
  metadata?: KubeObjectMeta;
  spec: AppProjectSpec;
  status?: AppProjectStatus;
}

export interface AppProjectList {
  apiVersion?: string;
  items: AppProject[] | null;
  kind?: string;
  metadata?: KubeListMeta;
}

export interface AppProjectSpec {
  clusterResourceBlacklist?: ClusterResourceRestrictionItem[] | null;
  clusterResourceWhitelist?: ClusterResourceRestrictionItem[] | null;
  description?: string;
  destinationServiceAccounts?: ApplicationDestinationServiceAccount[] | null;
  destinations?: ApplicationDestination[] | null;
  namespaceResourceBlacklist?: KubeGroupKind[] | null;
  namespaceResourceWhitelist?: KubeGroupKind[] | null;
  orphanedResources?: OrphanedResourcesMonitorSettings;
  permitOnlyProjectScopedClusters?: boolean;
  roles?: ProjectRole[] | null;
  signatureKeys?: SignatureKey[] | null;
  sourceIntegrity?: SourceIntegrity;
  sourceNamespaces?: string[] | null;
  sourceRepos?: string[] | null;
  syncWindows?: SyncWindow[] | null;
}

export interface AppProjectStatus {
  jwtTokensByRole?: Record<string, JWTTokens>;
}

export interface Application {
  apiVersion?: string;
  kind?: string;
  metadata?: KubeObjectMeta;
  operation?: Operation;
  spec: ApplicationSpec;
  status?: ApplicationStatus;
}

export interface ApplicationCondition {
  lastTransitionTime?: KubeTime;
  message: string;
  type: string;
}

export interface ApplicationDestination {
  name?: string;
  namespace?: string;
  server?: string;
}

export interface ApplicationDestinationServiceAccount {
  defaultServiceAccount: string;
  namespace?: string;
  server: string;
}

export interface ApplicationList {
  apiVersion?: string;
  items: Application[] | null;
  kind?: string;
  metadata?: KubeListMeta;
}

export interface ApplicationSource {
  chart?: string;
  directory?: ApplicationSourceDirectory;
  helm?: ApplicationSourceHelm;
  kustomize?: ApplicationSourceKustomize;
  name?: string;
  path?: string;
  plugin?: ApplicationSourcePlugin;
  ref?: string;
  repoURL: string;
  tagPrefix?: string;
  targetRevision?: string;
}

export interface ApplicationSourceDirectory {
  exclude?: string;
  include?: string;
  jsonnet?: ApplicationSourceJsonnet;
  recurse?: boolean;
}

export interface ApplicationSourceHelm {
  apiVersions?: string[] | null;
  fileParameters?: HelmFileParameter[] | null;
  ignoreMissingValueFiles?: boolean;
  kubeVersion?: string;
  namespace?: string;
  parameters?: HelmParameter[] | null;
  passCredentials?: boolean;
  releaseName?: string;
  skipCrds?: boolean;
  skipSchemaValidation?: boolean;
  skipTests?: boolean;
  valueFiles?: string[] | null;
  values?: string;
  valuesObject?: RuntimeRawExtension;
  version?: string;
}

export interface ApplicationSourceJsonnet {
  extVars?: JsonnetVar[] | null;
  libs?: string[] | null;
  tlas?: JsonnetVar[] | null;
}

export interface ApplicationSourceKustomize {
  apiVersions?: string[] | null;
  commonAnnotations?: Record<string, string>;
  commonAnnotationsEnvsubst?: boolean;
  commonLabels?: Record<string, string>;
  components?: string[] | null;
  forceCommonAnnotations?: boolean;
  forceCommonLabels?: boolean;
  ignoreMissingComponents?: boolean;
  images?: string[] | null;
  kubeVersion?: string;
  labelIncludeTemplates?: boolean;
  labelWithoutSelector?: boolean;
  namePrefix?: string;
  nameSuffix?: string;
  namespace?: string;
  patches?: KustomizePatch[] | null;
  replicas?: KustomizeReplica[] | null;
  version?: string;
}

export interface ApplicationSourcePlugin {
  env?: EnvEntry[] | null;
  name?: string;
  parameters?: ApplicationSourcePluginParameter[] | null;
}

export interface ApplicationSourcePluginParameter {
  array?: string[] | null;
  map?: Record<string, string>;
  name?: string;
  string?: string;
}

export interface ApplicationSpec {
  destination: ApplicationDestination;
  ignoreDifferences?: ResourceIgnoreDifferences[] | null;
  info?: Info[] | null;
  project: string;
  revisionHistoryLimit?: number;
  source?: ApplicationSource;
  sourceHydrator?: SourceHydrator;
  sources?: ApplicationSource[] | null;
  syncPolicy?: SyncPolicy;
}

export interface ApplicationStatus {
  conditions?: ApplicationCondition[] | null;
  controllerNamespace?: string;
  health?: AppHealthStatus;
  history?: RevisionHistory[] | null;
  observedAt?: KubeTime;
  operationState?: OperationState;
  reconciledAt?: KubeTime;
  resourceHealthSource?: string;
  resources?: ResourceStatus[] | null;
  sourceHydrator?: SourceHydratorStatus;
  sourceType?: string;
  sourceTypes?: string[] | null;
  summary?: ApplicationSummary;
  sync?: SyncStatus;
}

export interface ApplicationSummary {
  externalURLs?: string[] | null;
  images?: string[] | null;
  isAppOfApps?: boolean;
}

export interface Backoff {
  duration?: string;
  factor?: number;
  maxDuration?: string;
}

export interface ClusterResourceRestrictionItem {
  group: string;
  kind: string;
  name?: string;
}

export interface ComparedTo {
  destination: ApplicationDestination;
  ignoreDifferences?: ResourceIgnoreDifferences[] | null;
  source?: ApplicationSource;
  sources?: ApplicationSource[] | null;
}

export interface DrySource {
  directory?: ApplicationSourceDirectory;
  helm?: ApplicationSourceHelm;
  kustomize?: ApplicationSourceKustomize;
  path: string;
  plugin?: ApplicationSourcePlugin;
  repoURL: string;
  targetRevision: string;
}

export interface EnvEntry {
  name: string;
  value: string;
}

export interface HealthStatus {
  lastTransitionTime?: KubeTime;
  message?: string;
  status?: string;
}

export interface HelmFileParameter {
  name?: string;
  path?: string;
}

export interface HelmParameter {
  forceString?: boolean;
  name?: string;
  value?: string;
}

export interface HydrateOperation {
  drySHA?: string;
  finishedAt?: KubeTime;
  hydratedSHA?: string;
  message: string;
  phase: string;
  sourceHydrator?: SourceHydrator;
  startedAt?: KubeTime;
}

export interface HydrateTo {
  targetBranch: string;
}

export interface Info {
  name: string;
  value: string;
}

export interface JWTToken {
  exp?: number;
  iat: number;
  id?: string;
}

export interface JWTTokens {
  items?: JWTToken[] | null;
}

export interface JsonnetVar {
  code?: boolean;
  name: string;
  value: string;
}

export interface KustomizePatch {
  options?: Record<string, boolean>;
  patch?: string;
  path?: string;
  target?: KustomizeSelector;
}

export interface KustomizeReplica {
  count: IntstrIntOrString;
  name: string;
}

export interface KustomizeSelector {
  annotationSelector?: string;
  group?: string;
  kind?: string;
  labelSelector?: string;
  name?: string;
  namespace?: string;
  version?: string;
}

export interface ManagedNamespaceMetadata {
  annotations?: Record<string, string>;
  labels?: Record<string, string>;
}

export interface Operation {
  info?: Info[] | null;
  initiatedBy?: OperationInitiator;
  retry?: RetryStrategy;
  sync?: SyncOperation;
}

export interface OperationInitiator {
  automated?: boolean;
  username?: string;
}

export interface OperationState {
  finishedAt?: KubeTime;
  message?: string;
  operation: Operation;
  phase: string;
  retryCount?: number;
  startedAt: KubeTime;
  syncResult?: SyncOperationResult;
}

export interface OrphanedResourceKey {
  group?: string;
  kind?: string;
  name?: string;
}

export interface OrphanedResourcesMonitorSettings {
  ignore?: OrphanedResourceKey[] | null;
  warn?: boolean;
}

export interface ProjectRole {
  description?: string;
  groups?: string[] | null;
  jwtTokens?: JWTToken[] | null;
  name: string;
  policies?: string[] | null;
}

export interface ResourceIgnoreDifferences {
  group?: string;
  jqPathExpressions?: string[] | null;
  jsonPointers?: string[] | null;
  kind: string;
  managedFieldsManagers?: string[] | null;
  name?: string;
  namespace?: string;
}

export interface ResourceResult {
  group: string;
  hookPhase?: string;
  hookType?: string;
  images?: string[] | null;
  kind: string;
  message?: string;
  name: string;
  namespace: string;
  status?: string;
  syncPhase?: string;
  version: string;
}

export interface ResourceStatus {
  group?: string;
  health?: HealthStatus;
  hook?: boolean;
  kind?: string;
  name?: string;
  namespace?: string;
  requiresDeletionConfirmation?: boolean;
  requiresPruning?: boolean;
  status?: string;
  syncWave?: number;
  version?: string;
}

export interface RetryStrategy {
  backoff?: Backoff;
  limit?: number;
  refresh?: boolean;
}

export interface RevisionHistory {
  deployStartedAt?: KubeTime;
  deployedAt: KubeTime;
  id: number;
  initiatedBy?: OperationInitiator;
  revision?: string;
  revisions?: string[] | null;
  source?: ApplicationSource;
  sources?: ApplicationSource[] | null;
}

export interface SignatureKey {
  keyID: string;
}

export interface SourceHydrator {
  drySource: DrySource;
  hydrateTo?: HydrateTo;
  syncSource: SyncSource;
}

export interface SourceHydratorStatus {
  currentOperation?: HydrateOperation;
  lastSuccessfulOperation?: SuccessfulHydrateOperation;
}

export interface SourceIntegrity {
  git?: SourceIntegrityGit;
}

export interface SourceIntegrityGit {
  policies?: SourceIntegrityGitPolicy[] | null;
}

export interface SourceIntegrityGitPolicy {
  gpg?: SourceIntegrityGitPolicyGPG;
  repos?: SourceIntegrityGitPolicyRepo[] | null;
}

export interface SourceIntegrityGitPolicyGPG {
  keys?: string[] | null;
  mode: string;
}

export interface SourceIntegrityGitPolicyRepo {
  url: string;
}

export interface SuccessfulHydrateOperation {
  drySHA?: string;
  hydratedSHA?: string;
  sourceHydrator?: SourceHydrator;
}

export interface SyncOperation {
  autoHealAttemptsCount?: number;
  dryRun?: boolean;
  manifests?: string[] | null;
  prune?: boolean;
  resources?: SyncOperationResource[] | null;
  revision?: string;
  revisions?: string[] | null;
  source?: ApplicationSource;
  sources?: ApplicationSource[] | null;
  syncOptions?: string[] | null;
  syncStrategy?: SyncStrategy;
}

export interface SyncOperationResource {
  group?: string;
  kind: string;
  name: string;
  namespace?: string;
}

export interface SyncOperationResult {
  managedNamespaceMetadata?: ManagedNamespaceMetadata;
  resources?: ResourceResult[] | null;
  revision: string;
  revisions?: string[] | null;
  source?: ApplicationSource;
  sources?: ApplicationSource[] | null;
}

export interface SyncPolicy {
  automated?: SyncPolicyAutomated;
  managedNamespaceMetadata?: ManagedNamespaceMetadata;
  retry?: RetryStrategy;
  syncOptions?: string[] | null;
}

export interface SyncPolicyAutomated {
  allowEmpty?: boolean;
  enabled?: boolean;
  prune?: boolean;
  selfHeal?: boolean;
}

export interface SyncSource {
  path: string;
  repoURL?: string;
  targetBranch: string;
}

export interface SyncStatus {
  comparedTo?: ComparedTo;
  revision?: string;
  revisions?: string[] | null;
  status: string;
}

export interface SyncStrategy {
  apply?: SyncStrategyApply;
  hook?: SyncStrategyHook;
}

export interface SyncStrategyApply {
  force?: boolean;
}

export interface SyncStrategyHook {
  force?: boolean;
}

export interface SyncWindow {
  andOperator?: boolean;
  applications?: string[] | null;
  clusters?: string[] | null;
  description?: string;
  duration?: string;
  kind?: string;
  manualSync?: boolean;
  namespaces?: string[] | null;
  schedule?: string;
  syncOverrun?: boolean;
  timeZone?: string;
}
