// Chromium of the system, and what every test does with it.
import { existsSync, readFileSync } from 'node:fs';
import { chromium } from 'playwright-core';

const candidates = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

export async function launch() {
  const executablePath = candidates.find((path) => path && existsSync(path));
  if (!executablePath) throw new Error('chromium is missing: apt-get install chromium, or set CHROMIUM');
  const options = { executablePath, args: ['--no-sandbox', '--disable-background-networking', '--disable-component-update', '--disable-dev-shm-usage'] };
  for (let left = 2; ; left--) {
    try {
      return await chromium.launch(options);
    } catch (error) {
      // Chromium itself crashes now and then while a loaded machine starts it; that is none of the pages' doing.
      if (!left) throw error;
    }
  }
}

/** signedIn opens a page of a person who has signed in. */
export async function signedIn(browser, base, { width = 1440, height = 900, theme = 'light', user = 'admin' } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: theme, reducedMotion: 'reduce' });
  const response = await context.request.post(base + '/api/v1/session', { data: { username: user, password: 'secret' } });
  if (!response.ok()) throw new Error(`sign in: ${response.status()}`);
  const page = await context.newPage();
  page.errors = watch(page);
  return page;
}

/** watch gathers what a browser complains about: exceptions, and what the content security policy forbade. */
export function watch(page) {
  const errors = [];
  page.on('pageerror', (error) => errors.push(`exception: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error' && !/status of (401|403|404|409)/.test(message.text())) errors.push(`console: ${message.text()}`);
  });
  return errors;
}

const axe = readFileSync(new URL('../node_modules/axe-core/axe.min.js', import.meta.url), 'utf8');

/** inspect returns what axe calls serious or critical. */
export async function inspect(page) {
  // The policy forbids scripts of others: axe comes in through the debugger, which it does not bind.
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, help, nodes }) => `${id}: ${help}\n      ${nodes.slice(0, 4).map((node) => `${node.target.join(' ')}  ${(node.any[0]?.message ?? node.all[0]?.message ?? '').slice(0, 160)}`).join('\n      ')}`);
}

export const pages = [
  { name: 'login', path: '/login', signedOut: true, ready: 'text=Sign in to Belay' },
  { name: 'deployments', path: '/', ready: '[data-row="0"]' },
  { name: 'deployments-matrix', path: '/?view=matrix', ready: '[data-row="0"]' },
  { name: 'deployments-list', path: '/applications?view=list', ready: '[data-row="0"]' },
  { name: 'deployments-tiles', path: '/applications?view=tiles&health=Degraded', ready: '[data-row="0"]' },
  { name: 'deployments-none', path: '/?search=nothing-is-called-so', ready: 'text=Nothing matches' },
  { name: 'application', path: '/applications/argocd/callcenter-ai-prod', ready: 'role=treegrid >> visible=true, .tree-node' },
  { name: 'application-degraded', path: '/applications/argocd/callcenter-ai-staging?view=tree', ready: '.tree-node' },
  { name: 'application-list', path: '/applications/argocd/callcenter-ai-staging?view=list', ready: '[role=treegrid] .virtual-row' },
  { name: 'application-pods', path: '/applications/argocd/callcenter-ai-staging?view=pods', ready: '.pod' },
  { name: 'resource', path: '/applications/argocd/callcenter-ai-prod?node=apps/Deployment/callcenter-ai/web/0', ready: 'text=Restart' },
  { name: 'resource-diff', path: '/applications/argocd/callcenter-ai-prod?node=apps/Deployment/callcenter-ai/web/0&tab=diff', ready: '.change' },
  { name: 'resource-live', path: '/applications/argocd/callcenter-ai-prod?node=apps/Deployment/callcenter-ai/web/0&tab=manifest', ready: '.code' },
  { name: 'resource-desired', path: '/applications/argocd/callcenter-ai-prod?node=apps/Deployment/callcenter-ai/web/0&tab=desired', ready: '.code' },
  { name: 'resource-events', path: '/applications/argocd/callcenter-ai-prod?node=apps/Deployment/callcenter-ai/web/0&tab=events', ready: '.events' },
  { name: 'resource-logs', path: '/applications/argocd/callcenter-ai-prod?node=apps/Deployment/callcenter-ai/web/0&tab=logs', ready: '.log-line' },
  { name: 'logs', path: '/applications/argocd/callcenter-ai-prod/callcenter-ai/web/logs?podName=web-6d5f9-00', ready: '.log-line' },
  { name: 'review', path: '/applications/argocd/callcenter-ai-prod/review', ready: 'text=What a sync would do' },
  { name: 'history', path: '/applications/argocd/callcenter-ai-prod/history', ready: 'text=deployed now' },
  { name: 'rollback', path: '/applications/argocd/callcenter-ai-prod/review?rollback=3', ready: 'text=Roll back to deployment 3' },
  { name: 'operation', path: '/applications/argocd/callcenter-ai-prod/operation', ready: 'text=Before the sync' },
  { name: 'details', path: '/applications/argocd/callcenter-ai-prod/details', ready: 'text=Value files' },
  { name: 'application-timeline', path: '/applications/argocd/callcenter-ai-prod/timeline', ready: '.feed-row' },
  { name: 'timeline', path: '/timeline', ready: '.feed-row' },
  { name: 'compare', path: '/compare', ready: 'text=Environments that run different commits' },
  { name: 'compare-two', path: '/compare?from=callcenter-ai-staging&to=callcenter-ai-prod', ready: 'text=Commits between them, text=commits between them' },
  { name: 'projects', path: '/settings/projects', ready: 'table' },
  { name: 'project', path: '/settings/projects/customer-care', ready: 'text=no releases at the weekend' },
  { name: 'clusters', path: '/settings/clusters', ready: 'table' },
  { name: 'repositories', path: '/settings/repos', ready: 'table' },
  { name: 'accounts', path: '/settings/accounts', ready: 'table' },
  { name: 'account', path: '/settings/accounts/admin', ready: 'text=New password' },
  { name: 'search', path: '/search?q=web', ready: 'text=of callcenter-ai-prod' },
  { name: 'user', path: '/user-info', ready: 'text=Signed in by' },
  { name: 'help', path: '/help', ready: 'text=belay app list' },
  { name: 'application-nowhere', path: '/applications/argocd/nothing-is-called-so', ready: 'text=could not be loaded' },
  { name: 'deployments-filters', path: '/?view=list', ready: '[data-row="0"]', act: openFilters },
  { name: 'palette', path: '/', ready: '[data-row="0"]', act: openPalette },
  { name: 'shortcuts', path: '/help', ready: 'text=belay app list', act: (page) => dialog(page, () => page.keyboard.press('?')) },
  { name: 'menu', path: '/help', ready: 'text=belay app list', act: openMenu },
  { name: 'delete', path: '/applications/argocd/callcenter-ai-prod/details', ready: 'text=Value files', act: (page) => dialog(page, () => page.getByRole('button', { name: 'Delete this application' }).click()) },
  { name: 'auto-sync', path: '/applications/argocd/callcenter-ai-prod/details', ready: 'text=Value files', act: (page) => dialog(page, () => page.getByRole('button', { name: 'Switch auto-sync on' }).click()) },
  { name: 'review-danger', path: '/applications/argocd/callcenter-ai-prod/review', ready: 'text=What a sync would do', act: chooseDanger },
  { name: 'review-nothing', path: '/applications/argocd/ledger-web-dev/review', ready: 'text=Nothing to change' },
  { name: 'login-refused', path: '/login', signedOut: true, ready: 'text=Sign in to Belay', act: signInWrongly },
  { name: 'deployments-empty', path: '/', ready: 'text=No deployments yet', serves: { items: 0 } },
  { name: 'deployments-failed', path: '/', ready: 'text=could not be loaded', serves: { status: 500 } },
  // Last: what is synced looks otherwise from then on.
  { name: 'operation-running', path: '/applications/argocd/callcenter-ai-prod/review', ready: 'text=What a sync would do', act: startSync },
  { name: 'not-found', path: '/nowhere', ready: 'text=There is no page' },
];

async function dialog(page, show) {
  await show();
  await page.getByRole('dialog').waitFor();
}

async function openFilters(page) {
  const button = page.getByRole('button', { name: 'Filters' });
  if (await button.isVisible()) await button.click();
  for (const title of ['Project', 'Cluster', 'Repository']) await page.locator('summary', { hasText: title }).first().click();
  await page.getByText('production-eu').first().waitFor();
}

async function openPalette(page) {
  await page.keyboard.press('Control+k');
  await page.getByRole('combobox', { name: /Search applications/ }).fill('call');
  await page.getByRole('listbox', { name: 'Results' }).getByRole('option').first().waitFor();
}

async function openMenu(page) {
  await page.getByLabel(/^Account: admin/).click();
  await page.getByRole('button', { name: 'Sign out' }).waitFor();
}

async function chooseDanger(page) {
  await page.getByRole('checkbox', { name: /Delete 1 object/ }).check();
  await page.getByText('its data with it').waitFor();
}

async function signInWrongly(page) {
  await page.getByLabel('Username').fill('admin');
  await page.getByLabel('Password').fill('wrong');
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.getByRole('alert').waitFor();
}

async function startSync(page) {
  await page.getByRole('button', { name: /^Apply 3 changes/ }).click();
  await page.getByText('running for').waitFor();
}

const table = '**/api/belay/v1/deployments/table';

/** serve answers for the deployments in place of the server, until the function that it returns is called. */
async function serve(page, { status }) {
  const body = status ? { error: 'the cluster cannot be reached', code: 'Transient', message: 'the cluster cannot be reached' } : { texts: [''], lists: [[]], commits: {}, rows: {}, environments: [], cursor: '1' };
  await page.route(table, (route) => route.fulfill({ status: status ?? 200, json: body }));
  const before = page.errors.length;
  return async () => {
    await page.unroute(table);
    // The browser tells of the failure that was asked for; that alone is no finding.
    const told = page.errors.splice(before);
    page.errors.push(...told.filter((text) => !(status && text.includes(`status of ${status}`))));
  };
}

/** open shows a page in the state that is meant, and returns what undoes it. */
export async function open(page, base, each) {
  const undo = each.serves ? await serve(page, each.serves) : async () => {};
  try {
    await visit(page, base, each);
    await each.act?.(page);
  } catch (error) {
    throw new Error(`${each.name}: ${error.message}`, { cause: error });
  }
  return undo;
}

async function visit(page, base, { path, ready }) {
  await page.goto(base + path);
  for (const selector of ready.split(', ')) {
    try {
      await page.waitForSelector(selector, { timeout: ready.includes(', ') ? 3000 : 20000 });
      return;
    } catch (error) {
      if (selector === ready.split(', ').at(-1)) throw error;
    }
  }
}
