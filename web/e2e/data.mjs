// A fleet made from a seed: the same every time, with every state that the pages have to show.

/** random returns a generator of numbers in [0, 1) (mulberry32). */
export function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export const now = Date.now();
// To the second, as Go writes the times of Kubernetes.
export const ago = (seconds) => new Date(now - seconds * 1000).toISOString().replace(/\.\d+/, '');
const pick = (next, list) => list[Math.floor(next() * list.length)];
export const sha = (next) => Array.from({ length: 40 }, () => Math.floor(next() * 16).toString(16)).join('');

const nouns = ['callcenter', 'ledger', 'catalog', 'search', 'checkout', 'billing', 'mailer', 'gateway', 'profile', 'media', 'quotes', 'routing', 'shipping', 'invoices', 'metrics', 'reports'];
const parts = ['ai', 'api', 'web', 'worker', 'cache', 'admin', 'jobs', 'edge', 'sync', 'store'];
const subjects = ['raise the limit of connections', 'answer in the language of the caller', 'drop the old queue', 'use the new pool of workers', 'log the request id', 'bump base image', 'add a readiness probe', 'scale out for the campaign', 'rotate the signing key'];
const people = ['Ana Example', 'Bo Example', 'Chi Example', 'Dee Example'];
export const environments = ['dev', 'staging', 'production'];

export const verbs = ['sync', 'rollback', 'override', 'update', 'delete', 'logs'];

export function commit(next, seconds) {
  const revision = sha(next);
  return { revision, subject: pick(next, subjects), author: pick(next, people), date: ago(seconds), url: `https://git.example.com/deploy/commit/${revision}` };
}

function condition(next) {
  const n = next();
  if (n < 0.8) return { sync: 'Synced', health: 'Healthy', operation: 'Succeeded' };
  if (n < 0.88) return { sync: 'OutOfSync', health: 'Healthy', operation: 'Succeeded' };
  if (n < 0.92) return { sync: 'Synced', health: 'Degraded', operation: 'Succeeded', problem: 'Deployment web: image cannot be pulled (2 of 3 pods)' };
  if (n < 0.95) return { sync: 'Synced', health: 'Progressing', operation: 'Running' };
  if (n < 0.97) return { sync: 'OutOfSync', health: 'Missing', operation: 'Failed', problem: 'The last sync failed: Job migrate: deadline exceeded' };
  if (n < 0.985) return { sync: 'Synced', health: 'Suspended', operation: 'Succeeded' };
  return { sync: 'Unknown', health: 'Unknown', operation: '', problem: 'The repository cannot be reached' };
}

function deployment(next, service, project, environment) {
  const state = condition(next);
  const seconds = Math.floor(next() * 30 * 86400) + 30;
  const out = state.sync === 'OutOfSync';
  return {
    name: `${service}-${environment === 'production' ? 'prod' : environment}`,
    namespace: 'argocd',
    project,
    service,
    environment,
    labels: { 'app.kubernetes.io/name': service, environment, team: project, tier: pick(next, ['1', '2', '3']) },
    repoURL: `https://git.example.com/${project}/deploy.git`,
    path: `apps/${service}/${environment}`,
    targetRevision: environment === 'production' ? 'production' : 'main',
    destServer: `https://${environment}.k8s.example.com`,
    destName: `${environment}-eu`,
    destNamespace: service,
    deployed: commit(next, seconds + 300),
    deployedAt: ago(seconds),
    deployedBy: next() < 0.6 ? 'automated' : pick(next, ['ana', 'bo', 'chi']),
    wanted: out ? commit(next, 120) : undefined,
    images: [`registry.example.com/${project}/${service}:1.${Math.floor(next() * 40)}.${Math.floor(next() * 9)}`],
    ...state,
    pending: out ? { create: Math.floor(next() * 3), update: 1 + Math.floor(next() * 4), delete: next() < 0.2 ? 1 : 0 } : { create: 0, update: 0, delete: 0 },
    autoSync: environment !== 'production',
    selfHeal: environment === 'dev',
    prune: environment === 'dev',
    created: ago(90 * 86400),
    can: verbs,
  };
}

/** fleet returns count deployments; the first is the one that the stories are told of. */
export function fleet(count, seed = 7) {
  const next = random(seed);
  const items = [];
  for (let i = 0; items.length < count; i++) {
    const round = Math.floor(i / (nouns.length * parts.length));
    const service = `${nouns[i % nouns.length]}-${parts[Math.floor(i / nouns.length) % parts.length]}${round ? `-${round + 1}` : ''}`;
    const project = pick(next, ['payments', 'customer-care', 'platform', 'growth']);
    for (const environment of environments) if (items.length < count) items.push(deployment(next, service, project, environment));
  }
  const story = items.find((row) => row.name === 'callcenter-ai-prod');
  Object.assign(story, {
    sync: 'OutOfSync', health: 'Healthy', operation: 'Succeeded', problem: '', pending: { create: 1, update: 2, delete: 1 },
    deployedBy: 'bo', deployedAt: ago(2 * 86400), wanted: commit(next, 240), autoSync: false, selfHeal: false, prune: false, can: verbs, project: 'customer-care',
  });
  const degraded = items.find((row) => row.name === 'callcenter-ai-staging');
  Object.assign(degraded, { sync: 'Synced', health: 'Degraded', operation: 'Succeeded', problem: 'Deployment web: image registry.example.com/callcenter:1.9 was not found (3 of 3 pods)', pending: { create: 0, update: 0, delete: 0 } });
  return items;
}

const ref = (group, kind, namespace, name, uid, parent) => ({ group, version: 'v1', kind, namespace, name, uid, ...(parent ? { parents: [parent.uid] } : {}) });
const uidOf = (n) => `${(n * 2654435761 >>> 0).toString(16).padStart(8, '0')}-0000-4000-8000-${n.toString(16).padStart(12, '0')}`;

/** resources returns about count objects: Deployments with their ReplicaSets and Pods, and what usually stands beside them. */
export function resources(count, namespace, seed, sick = 0) {
  const next = random(seed);
  const nodes = [];
  const statuses = [];
  let uid = 0;
  const add = (group, kind, name, parent, health, more = {}) => {
    const node = { ...ref(group, kind, namespace, name, uidOf(uid++), parent), createdAt: ago(Math.floor(next() * 86400 * 20)), resourceVersion: '1', ...(health ? { health: { status: health, ...(more.message ? { message: more.message } : {}) } } : {}), ...more };
    nodes.push(node);
    return node;
  };
  const managed = (node, status = 'Synced', more = {}) => statuses.push({ group: node.group, version: node.version, kind: node.kind, namespace: node.namespace, name: node.name, status, ...(node.health ? { health: node.health } : {}), ...more });
  for (let i = 0; nodes.length < count; i++) {
    const name = i === 0 ? 'web' : `web-${i}`;
    const bad = i < sick;
    const image = `registry.example.com/${namespace}:1.${9 + (i % 5)}`;
    const deploy = add('apps', 'Deployment', name, undefined, bad ? 'Degraded' : 'Healthy', bad ? { message: 'Deployment "web" exceeded its progress deadline' } : {});
    managed(deploy, i === 0 ? 'OutOfSync' : 'Synced');
    for (const [group, kind, suffix] of [['', 'Service', ''], ['', 'ConfigMap', '-settings'], ['', 'ServiceAccount', ''], ['networking.k8s.io', 'Ingress', '']]) {
      const node = add(group, kind, name + suffix, undefined, kind === 'Ingress' || kind === 'Service' ? 'Healthy' : undefined);
      managed(node, i === 0 && kind === 'ConfigMap' ? 'OutOfSync' : 'Synced');
    }
    const set = add('apps', 'ReplicaSet', `${name}-6d5f9`, deploy, bad ? 'Degraded' : 'Healthy', { info: [{ name: 'Revision', value: 'Rev:3' }] });
    add('apps', 'ReplicaSet', `${name}-58c7b`, deploy, 'Healthy', { info: [{ name: 'Revision', value: 'Rev:2' }] });
    for (let pod = 0; pod < 3; pod++) {
      add('', 'Pod', `${name}-6d5f9-${pod}${(i * 7 + pod).toString(36)}`, set, bad ? 'Degraded' : 'Healthy', {
        images: [image], info: [{ name: 'Status', value: bad ? 'ImagePullBackOff' : 'Running' }, { name: 'Containers', value: bad ? '0/2' : '2/2' }],
        ...(bad ? { message: 'Back-off pulling image' } : {}),
      });
    }
  }
  const old = add('', 'ConfigMap', 'old-prompts', undefined, undefined);
  managed(old, 'OutOfSync', { requiresPruning: true });
  return { nodes: nodes.slice(0, Math.max(count, 1)).concat(nodes.length > count ? [old] : []), statuses };
}
