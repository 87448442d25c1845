import type * as argocd from './argocd';
import { call, get, seg, type Params } from './client';
import type { DeploymentTable, TreeTable } from './schema';
import { readDeployments, readTree } from './table';
import type * as belay from './types';

/** AppKey names an application; an empty namespace is that of the control plane. */
export interface AppKey {
  namespace: string;
  name: string;
}

const own = '/api/belay/v1';
const app = (key: AppKey) => `/api/v1/applications/${seg(key.name)}`;
const ownApp = (key: AppKey) => `${own}/applications/${seg(key.name)}`;
const within = (key: AppKey, more: Params = {}): Params => ({ appNamespace: key.namespace, ...more });

const resource = (ref: belay.ResourceRef): Params => ({
  namespace: ref.namespace,
  resourceName: ref.name,
  version: ref.version,
  kind: ref.kind,
  group: ref.group ?? '',
});

export const session = {
  signIn: (username: string, password: string) => call<{ token: string }>('POST', '/api/v1/session', { body: { username, password } }),
  signOut: () => call<unknown>('DELETE', '/api/v1/session'),
  me: (signal?: AbortSignal) => get<belay.Me>(`${own}/me`, {}, signal),
  settings: () => get<argocd.Settings>('/api/v1/settings'),
  version: () => get<{ Version: string }>('/api/version'),
};

export const deployments = {
  list: (signal?: AbortSignal) => get<DeploymentTable>(`${own}/deployments/table`, {}, signal).then(readDeployments),
};

export const applications = {
  get: (key: AppKey, refresh?: 'normal' | 'hard') => get<argocd.Application>(app(key), within(key, { refresh })),
  tree: (key: AppKey) => get<TreeTable>(`${ownApp(key)}/resources/table`, within(key)).then(readTree),
  managed: (key: AppKey) => get<argocd.ListOf<argocd.ManagedResource>>(`${app(key)}/managed-resources`, within(key)),
  events: (key: AppKey, ref?: belay.ResourceRef) =>
    get<argocd.ListOf<argocd.KubeEvent>>(
      `${app(key)}/events`,
      within(key, ref ? { resourceUID: ref.uid, resourceNamespace: ref.namespace, resourceName: ref.name } : {}),
    ),
  live: (key: AppKey, ref: belay.ResourceRef) => get<{ manifest: string }>(`${app(key)}/resource`, within(key, resource(ref))),
  actions: (key: AppKey, ref: belay.ResourceRef) =>
    get<{ actions?: argocd.ResourceAction[] | null }>(`${app(key)}/resource/actions`, within(key, resource(ref))),
  act: (key: AppKey, ref: belay.ResourceRef, action: string, params: { name: string; value: string }[]) =>
    call<unknown>('POST', `${app(key)}/resource/actions/v2`, {
      params: within(key),
      body: { name: key.name, appNamespace: key.namespace, ...resource(ref), action, resourceActionParameters: params },
    }),
  remove: (key: AppKey, ref: belay.ResourceRef) => call<unknown>('DELETE', `${app(key)}/resource`, { params: within(key, resource(ref)) }),
  terminate: (key: AppKey) => call<unknown>('DELETE', `${app(key)}/operation`, { params: within(key) }),
  patch: (key: AppKey, patch: unknown) =>
    call<argocd.Application>('PATCH', app(key), { params: within(key), body: { name: key.name, appNamespace: key.namespace, patch: JSON.stringify(patch), patchType: 'merge' } }),
  drop: (key: AppKey, cascade: boolean) =>
    call<unknown>('DELETE', app(key), { params: { appNamespace: key.namespace, cascade: cascade ? 'true' : 'false', propagationPolicy: cascade ? 'foreground' : '' } }),
  links: (key: AppKey) => get<argocd.ListOf<{ title: string; url: string; description?: string }>>(`${app(key)}/links`, { namespace: key.namespace }),
  logsPath: (key: AppKey) => `${app(key)}/logs`,

  plan: (key: AppKey, options: { revision?: string; rollback?: number; fresh?: boolean }) => get<belay.Plan>(`${ownApp(key)}/plan`, within(key, { ...options })),
  sync: (key: AppKey, body: belay.PlanSyncRequest) => call<unknown>('POST', `${ownApp(key)}/sync`, { params: within(key), body }),
  rollback: (key: AppKey, body: belay.RollbackRequest) => call<unknown>('POST', `${ownApp(key)}/rollback`, { params: within(key), body }),
  why: (key: AppKey) => get<belay.Why>(`${ownApp(key)}/why`, within(key)),
  history: (key: AppKey) => get<belay.HistoryList>(`${ownApp(key)}/history`, within(key)),
};

export interface ActivityQuery extends Params {
  application?: string;
  namespace?: string;
  project?: string;
  actor?: string;
  kind?: string;
  text?: string;
  limit?: number;
  before?: string;
}

export const activities = (query: ActivityQuery) => get<belay.ActivityList>(`${own}/activities`, query);
export const compare = (from: string, to: string) => get<belay.Comparison>(`${own}/compare`, { from, to });
export const search = (q: string, signal?: AbortSignal) => get<belay.SearchList>(`${own}/search`, { q }, signal);

export const settings = {
  projects: () => get<argocd.ListOf<argocd.Project>>('/api/v1/projects'),
  project: (name: string) => get<argocd.Project>(`/api/v1/projects/${seg(name)}`),
  clusters: () => get<argocd.ListOf<argocd.Cluster>>('/api/v1/clusters'),
  repositories: () => get<argocd.ListOf<argocd.Repository>>('/api/v1/repositories'),
  accounts: () => get<argocd.ListOf<argocd.Account>>('/api/v1/account'),
  account: (name: string) => get<argocd.Account>(`/api/v1/account/${seg(name)}`),
  password: (name: string, currentPassword: string, newPassword: string) => call<unknown>('PUT', '/api/v1/account/password', { body: { name, currentPassword, newPassword } }),
  canI: (resource: string, action: string, object: string) =>
    get<{ value: string }>(`/api/v1/account/can-i/${seg(resource)}/${seg(action)}/${object.split('/').map(seg).join('/')}`).then((answer) => answer.value === 'yes'),
};
