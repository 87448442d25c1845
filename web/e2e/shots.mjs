// Takes pictures of every page: node e2e/shots.mjs FOLDER [NAME...]
import { mkdirSync } from 'node:fs';
import { launch, open, pages, signedIn } from './browser.mjs';
import { startFake } from './fake.mjs';

const [folder, ...names] = process.argv.slice(2);
if (!folder) throw new Error('name a folder for the pictures');
mkdirSync(folder, { recursive: true });
const browser = await launch();
try {
  for (const theme of ['light', 'dark']) {
    for (const width of [1440, 390]) {
      // One for each round: a sync that is shown changes what comes after it.
      const fake = await startFake();
      const page = await signedIn(browser, fake.url, { width, height: width === 390 ? 844 : 900, theme });
      for (const each of pages) {
        if (names.length && !names.includes(each.name)) continue;
        if (each.signedOut) await page.context().clearCookies();
        let undo = async () => {};
        try {
          undo = await open(page, fake.url, each);
        } catch (error) {
          console.log(`${each.name} ${width} ${theme}: ${error.message.split('\n')[0]}`);
        }
        await page.waitForTimeout(150);
        await page.screenshot({ path: `${folder}/${each.name}-${width}-${theme}.png` });
        await undo();
        if (each.signedOut) await page.context().request.post(fake.url + '/api/v1/session', { data: { username: 'admin', password: 'secret' } });
      }
      for (const error of page.errors) console.log(`${width} ${theme}: ${error}`);
      await page.context().close();
      fake.close();
    }
  }
} finally {
  await browser.close();
}
