// How soon pages with much in them can be used, measured in a browser from the start of the navigation, caches warm:
// a list of 5,000 applications, and a tree of 10,000 resources, folded as it opens and with everything unfolded.
import { launch, signedIn } from './browser.mjs';
import { startFake } from './fake.mjs';

const rounds = Number(process.env.ROUNDS ?? 5);
const apps = 5000;
const size = 10000;
const limit = 1000;

const fake = await startFake({ apps, big: size });
const browser = await launch();
const page = await signedIn(browser, fake.url);
// On a machine that is busy with other things the time on the clock says little: beside it stands the processor time that the
// page's own thread took.
const devtools = await page.context().newCDPSession(page);
await devtools.send('Performance.enable', { timeDomain: 'threadTicks' });
const busy = async () => (await devtools.send('Performance.getMetrics')).metrics.find((metric) => metric.name === 'TaskDuration').value * 1000;
const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

/** usable measures until a selector is there and a task of the main thread has had its turn. */
async function usable(path, selector) {
  const times = [];
  const work = [];
  const waits = [];
  for (let i = 0; i < rounds + 1; i++) {
    await page.goto('about:blank');
    const before = await busy();
    await page.goto(fake.url + path, { waitUntil: 'commit' });
    const time = await page.evaluate(
      (wanted) =>
        new Promise((done) => {
          const look = () => (document.querySelector(wanted) ? requestAnimationFrame(() => setTimeout(() => done(performance.now()))) : requestAnimationFrame(look));
          look();
        }),
      selector,
    );
    // The first round fills the browser's cache.
    if (i > 0) times.push(time);
    if (i > 0) work.push((await busy()) - before);
    // The fake server makes its tables in the same two processors; what it and the transfer took is no work of the page.
    if (i > 0) waits.push(await page.evaluate(() => Math.max(...performance.getEntriesByType('resource').filter((each) => each.name.includes('/table')).map((each) => each.responseEnd - each.requestStart))));
  }
  return { time: median(times), work: median(work), wait: median(waits) };
}

/** after measures from an action in the page until the next frame is drawn. */
const after = (run) => page.evaluate((text) => new Promise((done) => {
  const start = performance.now();
  new Function(text)();
  requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - start)));
}), run);

const results = [];
try {
  results.push([`list of ${apps} applications`, await usable('/?view=list', '[data-row="0"]'), limit]);
  results.push([`matrix of ${apps} applications`, await usable('/?view=matrix', '[data-row="0"]'), limit]);
  await page.goto(fake.url + '/?view=list');
  await page.locator('[data-row="0"]').waitFor();
  const typed = [];
  const typing = [];
  for (const letter of 'callcenter') {
    const start = Date.now();
    const before = await busy();
    await page.getByLabel('Search deployments').press(letter);
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => setTimeout(done))));
    typed.push(Date.now() - start);
    typing.push((await busy()) - before);
  }
  results.push(['a letter of the search among them', { time: median(typed), work: median(typing) }, 100]);
  const big = '/applications/argocd/ledger-ai-prod?view=tree';
  results.push([`tree of ${size} resources`, await usable(big, '.tree-node.group, .tree-node .tree-open'), limit]);
  results.push([`list of ${size} resources`, await usable(big.replace('tree', 'list'), '[role=treegrid] .virtual-row'), limit]);
  await page.goto(fake.url + big);
  await page.getByRole('button', { name: 'Unfold all' }).waitFor();
  await page.locator('.tree-node.group').first().waitFor();
  results.push([`unfolding all ${size}`, await after(`[...document.querySelectorAll('button')].find((each) => each.textContent === 'Unfold all').click()`), limit]);
  results.push(['scrolling to the end of them', await after(`const tree = document.querySelector('.tree-scroll'); tree.scrollTop = tree.scrollHeight`), 300]);
  const drawn = await page.locator('.tree-node').count();
  console.log(`${drawn} of ${size} resources are drawn at a time`);
} finally {
  await browser.close();
  fake.close();
}
let failed = false;
for (const [name, result, most] of results) {
  const { time, work, wait } = typeof result === 'number' ? { time: result } : result;
  const over = time > most;
  failed ||= over;
  console.log(`${name.padEnd(36)} ${time.toFixed(0).padStart(6)} ms${over ? `, SLOWER than ${most} ms` : ` of ${most} ms`}${work === undefined ? '' : `; processor time of the page ${work.toFixed(0)} ms`}${wait === undefined ? '' : `; waited ${wait.toFixed(0)} ms for the server and the transfer`}`);
}
process.exit(failed ? 1 : 0);
