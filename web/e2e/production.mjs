// The release of production by an operator in a browser, against a real server: out of sync, reviewed, synced with a reason,
// healthy, released to, rolled back; refused to a reader; drift explained. Where the server is, the passwords, and the commands
// that push a release to Git and that change the cluster past Git come from the environment.
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { inspect, launch, watch } from './browser.mjs';

const { BELAY_URL: base, BELAY_PASSWORD: password, READER_PASSWORD: readerPassword, RELEASE: release, DRIFT: drift, SHOTS: shots } = process.env;
const app = 'callcenter-ai-prod';
const home = `${base}/applications/argocd/${app}`;
const patience = 90_000;
if (shots) mkdirSync(shots, { recursive: true });

const browser = await launch();

async function someone(user, secret) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, reducedMotion: 'reduce' });
  const page = await context.newPage();
  page.setDefaultTimeout(patience);
  page.errors = watch(page);
  await page.goto(`${base}/`);
  await page.getByLabel('Username', { exact: true }).fill(user);
  await page.getByLabel('Password', { exact: true }).fill(secret);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.getByRole('heading', { name: 'Deployments', level: 1 }).waitFor();
  return page;
}

async function end(page, name, text) {
  console.error(`not ok  ${name}\n${text}\n${(await page.locator('body').ariaSnapshot()).slice(0, 6000)}`);
  await browser.close();
  process.exit(1);
}

let steps = 0;
async function step(page, name, run) {
  const began = Date.now();
  try {
    await run();
  } catch (error) {
    await end(page, name, error.stack);
  }
  steps++;
  if (shots) await page.screenshot({ path: `${shots}/${String(steps).padStart(2, '0')}-${name.replaceAll(/[^a-z0-9]+/gi, '-')}.png` });
  console.log(`ok  ${name}  ${Date.now() - began} ms`);
}

const shows = (page, text) => page.getByText(text).first().waitFor();
const command = (text) => execFileSync('bash', ['-euo', 'pipefail', '-c', text], { stdio: 'pipe' });

async function confirm(page, button, reason) {
  await page.getByLabel(/reason/i).fill(reason);
  await page.getByRole('button', { name: button }).click();
  await page.getByRole('status', { name: 'Outcome' }).getByText('Succeeded', { exact: true }).waitFor();
}

const operator = await someone('admin', password);
await step(operator, 'production is out of sync', async () => {
  await operator.getByRole('link', { name: new RegExp(app) }).first().click();
  await operator.getByRole('heading', { name: app, level: 1 }).waitFor();
  await shows(operator, 'Out of sync');
});
await step(operator, 'the plan is reviewed', async () => {
  await operator.getByRole('link', { name: 'Review and sync', exact: true }).click();
  await operator.getByRole('heading', { name: 'What a sync would do' }).waitFor();
  await operator.getByRole('region', { name: 'Create' }).getByRole('listitem').first().waitFor();
});
await step(operator, 'it is synced with a reason', () => confirm(operator, new RegExp(`to ${app}$|in ${app}$`), 'first release'));
await step(operator, 'it becomes healthy', async () => {
  await operator.goto(home);
  await operator.getByText('Healthy', { exact: true }).first().waitFor();
  await operator.getByText('Synced', { exact: true }).first().waitFor();
  await operator.goto(`${home}/history`);
  await operator.getByRole('article', { name: 'Deployment 0' }).getByText('first release').waitFor();
});
await step(operator, 'a release in Git is seen and synced', async () => {
  command(release);
  await operator.goto(home);
  await shows(operator, 'Out of sync');
  await operator.getByRole('link', { name: 'Review and sync', exact: true }).click();
  await operator.getByText('v1.2.0').first().waitFor();
  await confirm(operator, new RegExp(`to ${app}$`), 'agent-service v1.2.0');
});
await step(operator, 'it is rolled back, with its plan first', async () => {
  await operator.goto(`${home}/history`);
  await operator.getByRole('article', { name: 'Deployment 0' }).getByRole('link', { name: /rollback to deployment 0/ }).click();
  await operator.getByRole('heading', { name: 'Roll back to deployment 0' }).waitFor();
  await operator.getByText('v1.2.0').first().waitFor();
  await confirm(operator, /^Roll back/, 'calls are dropped');
  await operator.goto(`${home}/history`);
  await operator.getByRole('article', { name: 'Deployment 2' }).getByText('calls are dropped').waitFor();
});
const reader = await someone('reader', readerPassword);
await step(reader, 'a reader sees, and is refused', async () => {
  await reader.goto(home);
  await reader.getByRole('heading', { name: app, level: 1 }).waitFor();
  await reader.getByText('Healthy', { exact: true }).first().waitFor();
  if (await reader.getByRole('link', { name: 'Roll back', exact: true }).count()) throw new Error('a reader is offered to roll back');
  const status = await reader.evaluate((path) => fetch(path, { method: 'POST', body: '{}' }).then((answer) => answer.status), `/api/v1/applications/${app}/sync`);
  if (status !== 403) throw new Error(`a sync of a reader is answered with ${status}`);
});
await step(operator, 'drift is explained', async () => {
  command(drift);
  await operator.goto(home);
  await operator.getByRole('region', { name: /^Why/ }).getByText(/replicas/).first().waitFor({ state: 'attached' });
});
for (const [page, who] of [
  [operator, 'the operator'],
  [reader, 'the reader'],
]) {
  const found = [...(await inspect(page)), ...page.errors];
  if (found.length) await end(page, `pages of ${who}`, found.join('\n'));
}
await browser.close();
console.log(`${steps} steps`);
