// Writes a .gz beside every file of dist that is worth it, so that the server compresses nothing.
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync, constants } from 'node:zlib';

const dist = new URL('../dist', import.meta.url).pathname;
for (const name of readdirSync(dist, { recursive: true })) {
  const path = join(dist, String(name));
  if (!statSync(path).isFile() || path.endsWith('.gz')) continue;
  const data = readFileSync(path);
  const packed = gzipSync(data, { level: constants.Z_BEST_COMPRESSION });
  // index.html is rewritten while it is served.
  if (!path.endsWith('index.html') && packed.length < data.length * 0.9) writeFileSync(path + '.gz', packed);
}
