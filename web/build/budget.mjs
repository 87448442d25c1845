// Fails when what the browser loads first, or any part that it loads later, has grown past its budget.
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';

const INITIAL = 130 * 1024;
const LAZY = 110 * 1024;

const dist = new URL('../dist/', import.meta.url);
const manifest = JSON.parse(readFileSync(new URL('.vite/manifest.json', dist), 'utf8'));
const size = (file) => gzipSync(readFileSync(new URL(file, dist)), { level: 9 }).length;
const kb = (bytes) => (bytes / 1024).toFixed(1).padStart(7) + ' KB gzip';

const entries = Object.values(manifest).filter((chunk) => chunk.isEntry);
if (entries.length !== 1) throw new Error(`dist has ${entries.length} entries instead of 1: run npm run build`);
const initial = new Set();
const collect = (chunk) => {
  if (initial.has(chunk.file)) return;
  initial.add(chunk.file);
  for (const key of chunk.imports ?? []) collect(manifest[key]);
};
collect(entries[0]);

const total = [...initial].reduce((sum, file) => sum + size(file), 0);
let failed = total > INITIAL;
console.log(`${kb(total)}  first load, of ${kb(INITIAL).trim()}${failed ? '  TOO LARGE' : ''}`);
for (const chunk of Object.values(manifest)) {
  if (!chunk.file.endsWith('.js') || initial.has(chunk.file)) continue;
  const bytes = size(chunk.file);
  const over = bytes > LAZY;
  failed ||= over;
  console.log(`${kb(bytes)}  ${chunk.file}${over ? '  TOO LARGE' : ''}`);
}
process.exit(failed ? 1 : 0);
