// A server for tests in a browser: the built pages under the content security policy that belay sends, and an API that
// answers from a seeded fleet and takes syncs and rollbacks. It stands for the server in tests of the pages alone.
import { createServer } from 'node:http';
import { existsSync, readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { extname, join, normalize } from 'node:path';
import { ago, commit, environments, fleet, random, verbs } from './data.mjs';
import { Story } from './story.mjs';
import { deploymentTable, treeTable } from './table.mjs';

const dist = new URL('../dist', import.meta.url).pathname;
const kinds = { '.js': 'text/javascript; charset=utf-8', '.css': 'text/css; charset=utf-8', '.svg': 'image/svg+xml', '.html': 'text/html; charset=utf-8' };
// The policy of internal/webui: what the pages do must be possible under it.
const policy = /const policy = ("[^;]*?[\s\S]*?")\n\n/.exec(readFileSync(new URL('../../internal/webui/webui.go', import.meta.url), 'utf8'))[1].replace(/" \+\s+"/g, '').replaceAll('"', '');

const users = { admin: { password: 'secret', can: verbs }, reader: { password: 'secret', can: ['logs'] } };

export async function startFake({ apps = 150, resources = 60, big = 0, delay = 1500 } = {}) {
  const rows = fleet(apps);
  if (big) {
    const row = rows.find((each) => each.name === 'ledger-ai-prod');
    Object.assign(row, { sync: 'Synced', health: 'Healthy', operation: 'Succeeded', problem: '', pending: { create: 0, update: 0, delete: 0 } });
  }
  const streams = new Set();
  const sessions = new Map();
  const stories = new Map();
  const tell = (row) => {
    for (const { response, user } of streams) response.write(`id: ${Date.now()}\nevent: deployment\ndata: ${JSON.stringify(seen(row, user))}\n\n`);
  };
  const seen = (row, user) => ({ ...row, can: users[user].can });
  const story = (name) => {
    const row = rows.find((each) => each.name === name);
    if (row && !stories.has(name)) stories.set(name, new Story(row, big && name === 'ledger-ai-prod' ? big : resources, tell, delay));
    return stories.get(name);
  };

  const routes = [];
  const route = (method, pattern, handle) => routes.push({ method, pattern: new RegExp('^' + pattern.replace(/\{(\w+)\}/g, '(?<$1>[^/]+)') + '$'), handle });
  const app = (tail) => '/api/v1/applications/{name}' + tail;
  const own = (tail) => '/api/belay/v1/applications/{name}' + tail;

  route('GET', '/api/v1/settings', () => ({ url: '', oidcConfig: { name: 'Example SSO' } }));
  route('GET', '/api/version', () => ({ Version: 'v0.0.0-test' }));
  route('GET', '/api/belay/v1/me', (_, { user }) => ({ loggedIn: true, username: user, groups: ['on-call'], issuer: 'argocd', canCreate: true }));
  route('GET', '/api/belay/v1/deployments/table', (_, { user }) => deploymentTable(rows.map((row) => seen(row, user)), environments, '1'));
  route('GET', app(''), ({ name }) => story(name)?.application());
  route('PATCH', app(''), ({ name }) => story(name)?.application());
  route('GET', own('/resources/table'), ({ name }) => story(name) && treeTable(story(name).nodes));
  route('GET', app('/managed-resources'), ({ name }) => ({ items: story(name)?.statuses.slice(0, 50).map((each) => ({ ...each, targetState: object(each), liveState: object(each) })) }));
  route('GET', app('/events'), () => ({ items: [
    { metadata: { uid: 'e1' }, type: 'Warning', reason: 'BackOff', message: 'Back-off pulling image "registry.example.com/callcenter:1.9"', count: 12, lastTimestamp: ago(60) },
    { metadata: { uid: 'e2' }, type: 'Normal', reason: 'ScalingReplicaSet', message: 'Scaled up replica set web-6d5f9 to 3', lastTimestamp: ago(600) },
  ] }));
  route('GET', app('/resource'), (_, { query }) => ({ manifest: object({ kind: query.get('kind'), name: query.get('resourceName'), namespace: query.get('namespace') }) }));
  route('GET', app('/resource/actions'), (_, { query }) => ({ actions: query.get('kind') === 'Deployment' ? [{ name: 'restart', displayName: 'Restart' }, { name: 'pause' }, { name: 'resume', disabled: true }, { name: 'scale', params: [{ name: 'replicas', value: '2', type: 'number' }] }] : [] }));
  route('POST', app('/resource/actions/v2'), () => ({}));
  route('GET', app('/links'), () => ({ items: [{ title: 'Dashboard', url: 'https://dash.example.com' }] }));
  route('GET', own('/plan'), ({ name }, { query }) => story(name)?.plan(Number(query.get('rollback')) || undefined));
  route('POST', own('/sync'), ({ name }, { body, user }) => started(story(name), body, undefined, user, 'sync'));
  route('POST', own('/rollback'), ({ name }, { body, user }) => started(story(name), body, body.id, user, 'rollback'));
  route('GET', own('/why'), ({ name }) => story(name)?.why());
  route('GET', own('/history'), ({ name }) => ({ items: story(name)?.history }));
  route('GET', '/api/belay/v1/activities', (_, { query }) => ({ items: activities(query) }));
  route('GET', '/api/belay/v1/compare', (_, { query }) => {
    const plan = story('callcenter-ai-prod').plan(3);
    const next = random(3);
    return { from: query.get('from'), to: query.get('to'), commits: [commit(next, 3600), commit(next, 7200)], objects: plan.objects.slice(0, 3), same: 9 };
  });
  route('GET', '/api/belay/v1/search', (_, { query }) => ({ items: [{ kind: 'resource', application: 'callcenter-ai-prod', namespace: 'argocd', text: `Pod ${query.get('q')}`, object: { kind: 'Pod', namespace: 'callcenter-ai', name: `${query.get('q')}-6d5f9-00` } }] }));
  route('GET', '/api/v1/projects', () => ({ items: [project('customer-care'), project('payments'), project('platform')] }));
  route('GET', '/api/v1/projects/{name}', ({ name }) => project(name));
  route('GET', '/api/v1/clusters', () => ({ items: environments.map((each, i) => ({ name: `${each}-eu`, server: `https://${each}.k8s.example.com`, info: { serverVersion: '1.37', connectionState: i === 1 ? { status: 'Failed', message: 'dial tcp: connection refused', attemptedAt: ago(30) } : { status: 'Successful', attemptedAt: ago(30) } } })) }));
  route('GET', '/api/v1/repositories', () => ({ items: ['payments', 'platform'].map((each, i) => ({ repo: `https://git.example.com/${each}/deploy.git`, type: 'git', connectionState: { status: i ? 'Failed' : 'Successful', message: i ? 'authentication required' : '', attemptedAt: ago(90) } })) }));
  route('GET', '/api/v1/account', () => ({ items: [{ name: 'admin', enabled: true, capabilities: ['login'] }, { name: 'ci', enabled: true, capabilities: ['apiKey'], tokens: [{ id: 'pipeline', issuedAt: 1790000000, expiresAt: 1890000000 }] }] }));
  route('GET', '/api/v1/account/{name}', ({ name }) => ({ name, enabled: true, capabilities: ['login', 'apiKey'], tokens: [{ id: 'pipeline', issuedAt: 1790000000 }] }));

  function started(told, body, rollback, user, verb) {
    if (!users[user].can.includes(verb)) return { status: 403, body: { error: 'permission denied', code: 'Denied', message: `permission denied: applications, ${verb}` } };
    return told.start(body, rollback, user) ? {} : { status: 409, body: { error: 'the plan is another one now', code: 'Conflict', message: 'the plan is another one now' } };
  }

  const server = createServer(async (request, response) => {
    const address = new URL(request.url, 'http://fake');
    if (!address.pathname.startsWith('/api/')) return file(address.pathname, response);
    const send = (status, body) => {
      const text = JSON.stringify(body);
      const zip = /gzip/.test(request.headers['accept-encoding'] ?? '') && text.length > 2000;
      response.writeHead(status, { 'Content-Type': 'application/json', ...(zip ? { 'Content-Encoding': 'gzip' } : {}) });
      response.end(zip ? gzipSync(text, { level: 1 }) : text);
    };
    let text = '';
    for await (const piece of request) text += piece;
    const body = text ? JSON.parse(text) : undefined;
    if (address.pathname === '/api/v1/session') {
      if (request.method === 'DELETE') return send(200, {});
      if (users[body?.username]?.password !== body?.password) return send(401, { error: 'Invalid username or password', code: 'Unauthenticated', message: 'Invalid username or password' });
      const token = `${body.username}-${sessions.size}`;
      sessions.set(token, body.username);
      response.setHeader('Set-Cookie', `argocd.token=${token}; Path=/; HttpOnly; SameSite=Lax`);
      return send(200, { token });
    }
    const user = sessions.get(/argocd\.token=([^;]+)/.exec(request.headers.cookie ?? '')?.[1]);
    if (!user && address.pathname !== '/api/v1/settings') return send(401, { error: 'no session', code: 'Unauthenticated', message: 'no session information: sign in first' });
    if (address.pathname === '/api/belay/v1/stream') {
      response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
      response.write(':\n\n');
      const stream = { response, user };
      streams.add(stream);
      response.on('close', () => streams.delete(stream));
      return;
    }
    if (/\/logs$/.test(address.pathname)) return logs(address.searchParams, response);
    for (const { method, pattern, handle } of routes) {
      const match = method === request.method && pattern.exec(address.pathname);
      if (!match) continue;
      const answer = handle({ ...match.groups }, { query: address.searchParams, body, user });
      if (answer === undefined) return send(404, { error: 'not found', code: 'NotFound', message: 'does not exist' });
      return answer?.status >= 400 && answer.body ? send(answer.status, answer.body) : send(200, answer);
    }
    send(404, { error: 'not found', code: 'NotFound', message: `no such path ${address.pathname}` });
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    rows,
    /** The next sync or rollback of an application finds that somebody pushed in between. */
    rival: (name) => (story(name).rival = true),
    tell,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

function file(pathname, response) {
  const path = join(dist, normalize(pathname));
  const found = path.startsWith(dist) && extname(path) && existsSync(path) ? path : join(dist, 'index.html');
  const zip = found.endsWith('.js') || found.endsWith('.css') ? existsSync(found + '.gz') : false;
  response.writeHead(200, { 'Content-Type': kinds[extname(found)] ?? 'application/octet-stream', 'Content-Security-Policy': policy, ...(zip ? { 'Content-Encoding': 'gzip' } : {}) });
  response.end(readFileSync(zip ? found + '.gz' : found));
}

function logs(query, response) {
  response.writeHead(200, { 'Content-Type': 'application/json' });
  const pods = query.get('podName') ? [query.get('podName')] : ['web-6d5f9-00', 'web-6d5f9-11'];
  let n = 0;
  const line = () => {
    n++;
    const content = n % 17 === 0 ? `ERROR call ${n}: upstream timed out` : n % 11 === 0 ? `warning: queue is ${n % 100} long` : `answered call ${n} in ${(n * 37) % 400} ms`;
    response.write(JSON.stringify({ result: { content, podName: pods[n % pods.length], timeStampStr: ago(1000 - n) } }) + '\n');
  };
  for (let i = 0; i < 120; i++) line();
  if (query.get('follow') !== 'true') return response.end();
  const timer = setInterval(line, 700);
  response.on('close', () => clearInterval(timer));
}

const object = ({ group, version = 'v1', kind, namespace, name }) =>
  JSON.stringify({
    apiVersion: [group, version].filter(Boolean).join('/'), kind, metadata: { name, namespace, labels: { app: 'web' } },
    spec: kind === 'Pod' ? { containers: [{ name: 'web', image: 'registry.example.com/callcenter:1.9' }, { name: 'proxy', image: 'registry.example.com/proxy:2' }] } : { replicas: 3, template: { spec: { containers: [{ name: 'web', args: ['--port', '8080'] }] } } },
  });

const project = (name) => ({
  metadata: { name },
  spec: {
    description: 'Services of the team ' + name, sourceRepos: [`https://git.example.com/${name}/*`], destinations: [{ name: 'production-eu', namespace: name + '-*' }], clusterResourceWhitelist: [],
    roles: [{ name: 'deployer', description: 'may sync all but production', groups: ['team-' + name], policies: [`p, proj:${name}:deployer, applications, sync, ${name}/*, allow`, `p, proj:${name}:deployer, applications, sync, ${name}/*-prod, deny`] }],
    syncWindows: [{ kind: 'deny', schedule: '0 18 * * 5', duration: '62h', applications: ['*-prod'], timeZone: 'Europe/Berlin', manualSync: true, description: 'no releases at the weekend' }],
  },
});

function activities(query) {
  const kinds = [['sync', 'synced to 8f2c1a4'], ['drift', 'Deployment web was scaled to 5 by kubectl-scale'], ['health', 'Healthy, was Progressing'], ['sync-failed', 'sync to 1d2e3f4 failed: Job migrate: deadline exceeded'], ['rollback', 'rolled back to deployment 3'], ['login', 'signed in'], ['denied', 'was refused: applications, sync, customer-care/callcenter-ai-prod']];
  const name = query.get('application') || '';
  const all = Array.from({ length: 40 }, (_, i) => {
    const [kind, text] = kinds[i % kinds.length];
    return { id: `a${i}`, time: ago(600 + i * 5400), kind, text, application: /login/.test(kind) ? '' : name || ['callcenter-ai-prod', 'ledger-api-staging', 'search-web-dev'][i % 3], namespace: 'argocd', project: 'customer-care', actor: ['ana', 'automated', 'bo'][i % 3], reason: kind === 'rollback' ? 'calls were dropped' : undefined };
  });
  return all.filter((each) => !query.get('kind') || each.kind === query.get('kind'));
}

// node e2e/fake.mjs serves for a look by hand.
if (process.argv[1] === new URL(import.meta.url).pathname) {
  const fake = await startFake({ apps: Number(process.env.APPS ?? 150), big: Number(process.env.BIG ?? 0) });
  console.log(`${fake.url}  admin / secret, reader / secret`);
}
