// What the fake server answers about one application: its plan, its history, its sync that takes a moment.
import { ago, commit, random, resources } from './data.mjs';

const deploymentYAML = (image, replicas, extra = '') => `apiVersion: apps/v1
kind: Deployment
metadata:
  labels:
    app.kubernetes.io/name: callcenter-ai
  name: web
  namespace: callcenter-ai
spec:
  replicas: ${replicas}
  selector:
    matchLabels:
      app: web
  template:
    metadata:
      labels:
        app: web
    spec:
      containers:
      - image: ${image}
        name: web
        ports:
        - containerPort: 8080
${extra}        resources:
          limits:
            memory: 512Mi
`;

const configYAML = (value) => `apiVersion: v1
data:
  GREETING: ${value}
  MAX_CALLS: "40"
kind: ConfigMap
metadata:
  name: web-settings
  namespace: callcenter-ai
`;

const danger = [
  { severity: 'danger', code: 'PruneVolume', message: 'PersistentVolumeClaim recordings would be deleted, and its data with it.', object: { kind: 'PersistentVolumeClaim', namespace: 'callcenter-ai', name: 'recordings' } },
];

export class Story {
  constructor(row, size, tell, delay) {
    this.row = row;
    this.tell = tell;
    this.delay = delay;
    this.seed = [...row.name].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) >>> 0, 1);
    this.next = random(this.seed);
    const { nodes, statuses } = resources(size, row.destNamespace, this.seed, row.health === 'Degraded' ? 1 : 0);
    if (row.sync !== 'OutOfSync') for (const status of statuses) if (!status.requiresPruning) status.status = 'Synced';
    this.nodes = nodes;
    this.statuses = row.sync === 'OutOfSync' ? statuses : statuses.filter((each) => !each.requiresPruning);
    this.version = 1;
    this.rival = false;
    this.operation = row.operation
      ? this.ended(row.operation, row.deployed?.revision ?? '', row.deployedBy, 86400 * 2, row.operation === 'Failed' ? 'one or more objects failed to apply: Job migrate: deadline exceeded' : 'successfully synced (all tasks run)')
      : undefined;
    this.history = Array.from({ length: 5 }, (_, i) => ({
      id: 5 - i, revisions: [i === 0 ? row.deployed.revision : commit(this.next, 0).revision], startedAt: ago(86400 * (2 + i * 3) + 75), deployedAt: ago(86400 * (2 + i * 3)),
      actor: ['bo', 'automated', 'ana'][i % 3], reason: i === 0 ? 'campaign starts on Monday' : undefined, current: i === 0,
    }));
    for (const [i, entry] of this.history.entries()) entry.commits = [i === 0 ? row.deployed : { ...commit(this.next, 86400 * (2 + i * 3) + 600), revision: entry.revisions[0] }];
  }

  ended(phase, revision, by, seconds, message) {
    return {
      phase, message, startedAt: ago(seconds + 42), finishedAt: phase === 'Running' ? undefined : ago(seconds),
      operation: { initiatedBy: by === 'automated' ? { automated: true } : { username: by }, sync: { revision } },
      syncResult: { revision, resources: this.results(phase === 'Failed' ? 'Failed' : 'Succeeded') },
    };
  }

  results(hook) {
    const namespace = this.row.destNamespace;
    return [
      { group: 'batch', version: 'v1', kind: 'Job', namespace, name: 'migrate', hookType: 'PreSync', syncPhase: 'PreSync', hookPhase: hook, message: hook === 'Failed' ? 'Job was active longer than specified deadline' : 'job completed' },
      ...(hook === 'Failed' ? [] : [
        { group: '', version: 'v1', kind: 'ConfigMap', namespace, name: 'web-settings', status: 'Synced', syncPhase: 'Sync', message: 'configmap/web-settings configured' },
        { group: 'apps', version: 'v1', kind: 'Deployment', namespace, name: 'web', status: 'Synced', syncPhase: 'Sync', message: 'deployment.apps/web configured' },
      ]),
    ];
  }

  plan(rollback) {
    const { row } = this;
    const base = { application: row.name, namespace: row.namespace, unchanged: this.nodes.length - 3 };
    const revision = rollback ? this.history.find((entry) => entry.id === rollback)?.revisions[0] : (row.wanted ?? row.deployed).revision;
    const commits = rollback ? this.history.find((entry) => entry.id === rollback)?.commits : [row.wanted ?? row.deployed];
    const namespace = row.destNamespace;
    const digest = `${row.name}:${rollback ?? 'sync'}:${this.version}`;
    if (!rollback && row.sync !== 'OutOfSync') return { ...base, revisions: [revision], commits, digest, counts: { create: 0, update: 0, delete: 0 }, objects: [], warnings: [], hooks: [] };
    const [from, to] = rollback ? ['registry.example.com/callcenter:1.10', 'registry.example.com/callcenter:1.8'] : ['registry.example.com/callcenter:1.9', 'registry.example.com/callcenter:1.10'];
    const objects = [
      { group: 'apps', version: 'v1', kind: 'Deployment', namespace, name: 'web', action: 'update', restarts: true, wave: 1, reason: 'Git changed',
        changes: [
          { path: 'spec.template.spec.containers[name=web].image', live: from, desired: to, hasLive: true, hasDesired: true, manager: 'belay' },
          { path: 'spec.replicas', live: '3', desired: '4', hasLive: true, hasDesired: true, manager: 'kubectl-scale' },
          { path: 'spec.template.spec.containers[name=web].env', desired: '- name: LANGUAGE\n  value: auto', hasLive: false, hasDesired: true },
        ],
        live: deploymentYAML(from, 3), desired: deploymentYAML(to, 4, '        env:\n        - name: LANGUAGE\n          value: auto\n') },
      { group: '', version: 'v1', kind: 'ConfigMap', namespace, name: 'web-settings', action: 'update', wave: 0, reason: 'Git changed',
        changes: [{ path: 'data.GREETING', live: 'Hello', desired: this.version > 1 ? 'Good evening' : 'Good morning', hasLive: true, hasDesired: true }],
        live: configYAML('Hello'), desired: configYAML(this.version > 1 ? 'Good evening' : 'Good morning') },
      { group: 'policy', version: 'v1', kind: 'PodDisruptionBudget', namespace, name: 'web', action: 'create', wave: 0, desired: `apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata:\n  name: web\nspec:\n  minAvailable: 2\n` },
      { group: '', version: 'v1', kind: 'PersistentVolumeClaim', namespace, name: 'recordings', action: 'delete', wave: 0, reason: 'Git no longer has it', live: `apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata:\n  name: recordings\nspec:\n  resources:\n    requests:\n      storage: 20Gi\n` },
    ];
    const warnings = [
      { severity: 'warning', code: 'Restart', message: 'Deployment web replaces its 3 pods.', object: { group: 'apps', kind: 'Deployment', namespace, name: 'web' } },
      { severity: 'info', code: 'HookRuns', message: 'Job migrate runs before the sync.' },
      ...danger.map((each) => ({ ...each, object: { ...each.object, namespace } })),
    ];
    return { ...base, revisions: [revision], commits, digest, counts: { create: 1, update: 2, delete: 1 }, objects, warnings,
      hooks: [{ group: 'batch', version: 'v1', kind: 'Job', namespace, name: 'migrate', phase: 'PreSync', wave: 0 }] };
  }

  start(request, rollback, user) {
    if (this.rival) {
      // Somebody else pushed between the review and the sync.
      this.rival = false;
      this.version++;
    }
    const plan = this.plan(rollback);
    if (request.digest !== plan.digest) return false;
    const { row } = this;
    this.operation = { phase: 'Running', startedAt: new Date().toISOString(), operation: { initiatedBy: { username: user }, info: request.reason ? [{ name: 'reason', value: request.reason }] : [], sync: { revision: plan.revisions[0] } }, syncResult: { revision: plan.revisions[0], resources: [{ ...this.results('Running')[0], hookPhase: 'Running', message: '' }] } };
    Object.assign(row, { operation: 'Running' });
    this.tell(row);
    setTimeout(() => {
      Object.assign(this.operation, { phase: 'Succeeded', finishedAt: new Date().toISOString(), message: 'successfully synced (all tasks run)', syncResult: { revision: plan.revisions[0], resources: this.results('Succeeded') } });
      for (const entry of this.history) entry.current = false;
      this.history.unshift({ id: this.history[0].id + 1, revisions: plan.revisions, commits: plan.commits, startedAt: this.operation.startedAt, deployedAt: this.operation.finishedAt, actor: user, reason: request.reason || undefined, current: true });
      this.statuses = this.statuses.filter((each) => !each.requiresPruning).map((each) => ({ ...each, status: 'Synced' }));
      Object.assign(row, { sync: 'Synced', operation: 'Succeeded', health: 'Healthy', pending: { create: 0, update: 0, delete: 0 }, deployed: plan.commits[0], wanted: undefined, deployedAt: this.operation.finishedAt, deployedBy: user, problem: '' });
      this.version++;
      this.tell(row);
    }, this.delay);
    return true;
  }

  application() {
    const { row } = this;
    return {
      apiVersion: 'argoproj.io/v1alpha1', kind: 'Application',
      metadata: { name: row.name, namespace: row.namespace, uid: 'app', labels: row.labels, creationTimestamp: row.created, annotations: { 'link.argocd.argoproj.io/runbook': 'Runbook|https://runbooks.example.com/callcenter' } },
      spec: {
        project: row.project,
        source: { repoURL: row.repoURL, path: row.path, targetRevision: row.targetRevision, helm: { valueFiles: ['values.yaml', `values-${row.environment}.yaml`], parameters: [{ name: 'image.tag', value: '1.10' }, { name: 'replicas', value: '4' }] } },
        destination: { server: row.destServer, name: row.destName, namespace: row.destNamespace },
        syncPolicy: { ...(row.autoSync ? { automated: { prune: row.prune, selfHeal: row.selfHeal } } : {}), syncOptions: ['CreateNamespace=true'] },
      },
      status: {
        sync: { status: row.sync, revision: row.deployed.revision }, health: { status: row.health }, resources: this.statuses, reconciledAt: ago(40), operationState: this.operation,
        conditions: row.sync === 'Unknown' ? [{ type: 'ComparisonError', message: 'fetch https://git.example.com/deploy.git: connection refused', lastTransitionTime: ago(900) }] : [],
        summary: { images: row.images, externalURLs: ['https://callcenter.example.com'] },
      },
    };
  }

  why() {
    const { row } = this;
    const namespace = row.destNamespace;
    if (row.health === 'Degraded')
      return { status: 'Degraded', sentence: 'Deployment web cannot start its pods: the image registry.example.com/callcenter:1.9 was not found.',
        causes: [{ object: { group: 'apps', kind: 'Deployment', namespace, name: 'web' }, message: '3 of 3 pods wait for the image', evidence: [{ kind: 'status', text: 'ImagePullBackOff: rpc error: manifest for registry.example.com/callcenter:1.9 not found' }, { kind: 'event', text: 'Failed to pull image "registry.example.com/callcenter:1.9"', time: ago(120) }] }],
        next: [{ text: 'Roll back', action: 'rollback' }, { text: 'Read the logs', action: 'logs' }, { text: 'See whether the tag exists:', command: 'crane ls registry.example.com/callcenter' }] };
    if (row.operation === 'Failed')
      return { status: 'Failed', sentence: 'The last sync failed: Job migrate did not end in time.', causes: [{ object: { group: 'batch', kind: 'Job', namespace, name: 'migrate' }, message: 'deadline exceeded', evidence: [{ kind: 'log', text: 'could not connect to database: timeout' }] }], next: [{ text: 'Review and sync again', action: 'review' }] };
    if (row.sync === 'OutOfSync')
      return { status: 'OutOfSync', sentence: `Git has ${row.wanted?.revision.slice(0, 7)} by ${row.wanted?.author}, which is not deployed: auto-sync is off.`, causes: [{ message: '4 objects differ', evidence: [{ kind: 'field', text: 'Deployment web: spec.template.spec.containers[name=web].image' }] }], next: [{ text: 'Review and sync', action: 'review' }] };
    if (row.sync === 'Unknown') return { status: 'Unknown', sentence: 'Git cannot be reached, so nothing can be compared.', causes: [{ message: 'fetch https://git.example.com/deploy.git: connection refused' }], next: [{ text: 'Try again', action: 'refresh' }] };
    return { sentence: 'All is well.', causes: [], next: [] };
  }
}
