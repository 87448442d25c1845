// What a person can do with the pages, in a real browser: every page in both themes and at two widths without a serious
// finding of axe; a sync and a rollback by the keyboard alone; a plan that changed meanwhile; a reader who may not sync.
// node e2e/run.mjs [NAME...] runs the checks whose names contain one of the words.
import assert from 'node:assert/strict';
import { inspect, launch, open, pages, signedIn, watch } from './browser.mjs';
import { startFake } from './fake.mjs';

const words = process.argv.slice(2);
const browser = await launch();
const app = '/applications/argocd/callcenter-ai-prod';
let failures = 0;

async function check(name, run, delay = 900) {
  if (words.length && !words.some((word) => name.includes(word))) return;
  const fake = await startFake({ delay });
  try {
    await run(fake);
    console.log(`ok    ${name}`);
  } catch (error) {
    failures++;
    console.log(`FAIL  ${name}\n      ${String(error.message).split('\n').slice(0, 40).join('\n      ')}`);
  } finally {
    fake.close();
  }
}

/** press goes on with Tab until what has the focus is called name. */
async function tabTo(page, role, name, most = 120) {
  const target = page.getByRole(role, { name }).first();
  await target.waitFor();
  for (let i = 0; i < most; i++) {
    if (await target.evaluate((element) => element === document.activeElement)) return target;
    await page.keyboard.press('Tab');
  }
  throw new Error(`no ${role} "${name}" within ${most} presses of Tab`);
}

const focused = (page) => page.evaluate(() => document.activeElement?.textContent?.trim());

for (const theme of ['light', 'dark']) {
  for (const width of [1440, 390]) {
    await check(`axe ${theme} ${width}`, async (fake) => {
      const page = await signedIn(browser, fake.url, { width, height: width === 390 ? 844 : 900, theme });
      // The same finding on several pages is one.
      const findings = new Map();
      const found = { push: (...all) => all.forEach((each) => findings.set(each.replace(/^[\w-]+: /, ''), each)) };
      for (const each of pages) {
        if (each.signedOut) await page.context().clearCookies();
        const undo = await open(page, fake.url, each);
        for (const violation of await inspect(page)) found.push(`${each.name}: ${violation}`);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
        if (wide > 0) found.push(`${each.name}: is ${wide} px wider than the window`);
        await undo();
        if (each.signedOut) await page.context().request.post(fake.url + '/api/v1/session', { data: { username: 'admin', password: 'secret' } });
      }
      found.push(...page.errors);
      await page.context().close();
      assert.equal(findings.size, 0, `${findings.size} findings:\n${[...findings.values()].join('\n')}`);
      // A sync that runs is looked at as long as that takes.
    }, 60_000);
  }
}

await check('sign in, wrong password first', async (fake) => {
  const context = await browser.newContext();
  const page = await context.newPage();
  const errors = watch(page);
  await page.goto(fake.url + app);
  await page.getByLabel('Username').fill('admin');
  await page.getByLabel('Password').fill('wrong');
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.getByRole('alert').filter({ hasText: 'Invalid username or password' }).waitFor();
  await page.getByLabel('Password').fill('secret');
  await page.keyboard.press('Enter');
  // Where somebody wanted to go is where they are.
  await page.getByRole('heading', { name: 'callcenter-ai-prod' }).waitFor();
  assert.deepEqual(errors, []);
  await page.getByLabel(/^Account: admin/).click();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('heading', { name: 'Sign in to Belay' }).waitFor();
  await context.close();
});

await check('keyboard: find, review, sync with a reason, watch', async (fake) => {
  const page = await signedIn(browser, fake.url);
  await page.goto(fake.url);
  await page.locator('[data-row="0"]').waitFor();
  await page.keyboard.press('/');
  await page.keyboard.type('callcenter-ai-prod');
  await page.getByRole('status').filter({ hasText: '1 of 150 deployments' }).waitFor();
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.activeElement?.matches('[data-row="0"] a'));
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'callcenter-ai-prod' }).waitFor();
  await page.keyboard.press('r');
  await page.getByRole('heading', { name: 'What a sync would do' }).waitFor();
  const prune = await tabTo(page, 'checkbox', /Delete 1 object/);
  await page.getByRole('button', { name: 'Apply 3 changes to callcenter-ai-prod' }).waitFor();
  await page.keyboard.press('Space');
  assert.ok(await prune.isChecked());
  await page.getByText('its data with it').waitFor();
  const button = page.getByRole('button', { name: 'Apply 4 changes (1 deletion) to callcenter-ai-prod' });
  assert.ok(await button.isDisabled(), 'a danger wants the name typed first');
  await tabTo(page, 'textbox', /Reason/);
  await page.keyboard.type('the campaign starts');
  await tabTo(page, 'textbox', /Type callcenter-ai-prod/);
  await page.keyboard.type('callcenter-ai-prod');
  await tabTo(page, 'button', /^Apply 4 changes/);
  await page.keyboard.press('Enter');
  await page.getByText('running for').waitFor();
  await page.getByText('Reason: the campaign starts').waitFor();
  await page.getByRole('region', { name: 'Outcome' }).filter({ hasText: 'Succeeded' }).or(page.getByLabel('Outcome').filter({ hasText: 'Succeeded' })).first().waitFor();
  await page.getByText('Synced').first().waitFor();
  assert.deepEqual(page.errors, []);
  await page.context().close();
});

await check('keyboard: roll back after looking at the plan', async (fake) => {
  const page = await signedIn(browser, fake.url);
  await page.goto(fake.url + app);
  await page.getByRole('link', { name: 'Review and sync' }).first().waitFor();
  await page.keyboard.press('h');
  await tabTo(page, 'link', /rollback to deployment 3/);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Roll back to deployment 3' }).waitFor();
  await tabTo(page, 'button', /^Roll back callcenter-ai-prod: 3 changes/);
  await page.keyboard.press('Enter');
  await page.getByLabel('Outcome').filter({ hasText: 'Succeeded' }).waitFor();
  await page.keyboard.press('h');
  await page.getByRole('article', { name: 'Deployment 6' }).filter({ hasText: 'deployed now' }).waitFor();
  assert.deepEqual(page.errors, []);
  await page.context().close();
});

await check('a plan that changed meanwhile is shown anew, and nothing is started', async (fake) => {
  const page = await signedIn(browser, fake.url);
  await page.goto(fake.url + app + '/review');
  await page.getByText('Good morning').first().waitFor();
  fake.rival('callcenter-ai-prod');
  await page.getByRole('button', { name: 'Apply 3 changes to callcenter-ai-prod' }).click();
  await page.getByRole('alert').filter({ hasText: 'The plan is another one now' }).waitFor();
  await page.getByText('Good evening').first().waitFor();
  assert.equal(fake.rows.find((row) => row.name === 'callcenter-ai-prod').sync, 'OutOfSync');
  await page.getByRole('button', { name: 'Apply 3 changes to callcenter-ai-prod' }).click();
  await page.getByLabel('Outcome').filter({ hasText: 'Succeeded' }).waitFor();
  await page.context().close();
});

await check('a part of a plan', async (fake) => {
  const page = await signedIn(browser, fake.url);
  await page.goto(fake.url + app + '/review');
  await page.getByRole('checkbox', { name: /Include ConfigMap/ }).uncheck();
  const request = page.waitForRequest((each) => each.url().includes('/sync') && each.method() === 'POST');
  await page.getByRole('button', { name: 'Apply 2 changes to callcenter-ai-prod' }).click();
  const body = (await request).postDataJSON();
  assert.deepEqual(body.objects.map((object) => object.kind).sort(), ['Deployment', 'PodDisruptionBudget']);
  await page.context().close();
});

await check('what a reader may not do is not offered', async (fake) => {
  const page = await signedIn(browser, fake.url, { user: 'reader' });
  await page.goto(fake.url + app);
  await page.getByText('which is not deployed').waitFor();
  assert.equal(await page.getByRole('link', { name: 'Review and sync' }).count(), 0);
  assert.equal(await page.getByRole('link', { name: 'Roll back' }).count(), 0);
  await page.goto(fake.url + app + '/review');
  await page.getByText('You may not sync this application.').waitFor();
  assert.ok(await page.getByRole('button', { name: /^Apply/ }).isDisabled());
  await page.context().close();
});

await check('the live stream moves rows', async (fake) => {
  const page = await signedIn(browser, fake.url);
  await page.goto(fake.url + '/?search=ledger-web-dev&view=list');
  await page.locator('[data-row="0"]').waitFor();
  const row = fake.rows.find((each) => each.name === 'ledger-web-dev');
  fake.tell({ ...row, health: 'Degraded', problem: 'Deployment web: its pods crash' });
  await page.getByText('its pods crash').waitFor();
  await page.context().close();
});

await check('keyboard: treegrid, resource and its tabs', async (fake) => {
  const page = await signedIn(browser, fake.url);
  await page.goto(fake.url + '/applications/argocd/callcenter-ai-staging?view=list');
  await tabTo(page, 'treegrid', 'Resources');
  await page.keyboard.press('Enter');
  const panel = page.getByRole('region', { name: 'web', exact: true });
  await panel.waitFor();
  await tabTo(page, 'tab', 'Summary');
  await page.keyboard.press('ArrowRight');
  await page.getByRole('log').getByText('answered call').first().waitFor();
  await page.getByLabel('Search in the logs').fill('timed out');
  await page.getByText(/of \d+ lines/).waitFor();
  assert.equal(await page.getByRole('log').getByText('answered call').count(), 0);
  await panel.press('Escape');
  await panel.waitFor({ state: 'detached' });
  await page.context().close();
});

await check('palette goes where it says', async (fake) => {
  const page = await signedIn(browser, fake.url);
  await page.goto(fake.url);
  await page.locator('[data-row="0"]').waitFor();
  await page.keyboard.press('Control+k');
  await page.getByRole('combobox', { name: /Search applications/ }).waitFor();
  await page.keyboard.type('callcenter-ai-prod');
  await page.getByRole('listbox', { name: 'Results' }).getByRole('option', { name: /^callcenter-ai-prod/ }).first().waitFor();
  await page.keyboard.press('Enter');
  await page.waitForURL('**' + app);
  await page.keyboard.press('g');
  await page.keyboard.press('t');
  await page.waitForURL('**/timeline');
  await page.keyboard.press('?');
  await page.getByRole('dialog', { name: 'Keyboard shortcuts' }).waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  await page.context().close();
});

for (const [from, to, text] of [
  ['/applications/callcenter-ai-prod', /\/applications\/callcenter-ai-prod$/, 'Git has'],
  ['/applications?proj=customer-care&sync=OutOfSync&view=tiles', /view=tiles/, 'Out of sync'],
  [app + '?operation=true', /\/operation$/, 'Before the sync'],
  [app + '?rollback=0', /\/history$/, 'deployed now'],
  [app + '?deploy=all&revision=abc', /\/review\?revision=abc$/, 'What a sync would do'],
  [app + '?node=apps%2FDeployment%2Fcallcenter-ai%2Fweb%2F0&tab=events', /tab=events/, 'BackOff'],
  [app + '?view=list&conditions=true', /view=list/, '61 resources'],
  [app + '/callcenter-ai/web/logs?podName=web-6d5f9-00', /logs/, 'Logs of web-6d5f9-00'],
  ['/settings/repos', /repos/, 'Repositories'],
  ['/resources', /resources/, 'Search'],
  ['/applicationsets', /\/$/, 'Deployments'],
]) {
  await check(`old link ${from}`, async (fake) => {
    const page = await signedIn(browser, fake.url);
    await page.goto(fake.url + from);
    await page.getByText(text).first().waitFor({ timeout: 15000 });
    assert.match(page.url(), to);
    assert.deepEqual(page.errors, []);
    await page.context().close();
  });
}

await browser.close();
console.log(failures ? `${failures} checks failed` : 'all checks passed');
process.exit(failures ? 1 : 0);
