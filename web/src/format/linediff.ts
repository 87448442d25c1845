// Lines of two texts side by side, by Myers' algorithm. What differs in meaning is decided by the server, which gives fields;
// this is for reading two manifests.

export interface DiffLine {
  kind: 'same' | 'gone' | 'new';
  text: string;
  /** Line numbers from 1 in the old and the new text; 0 where there is none. */
  before: number;
  after: number;
}

// Past this many differences the texts have little in common, and a search for the shortest script would take long.
const limit = 600;

export function diffLines(before: string, after: string): DiffLine[] {
  const a = before === '' ? [] : before.replace(/\n$/, '').split('\n');
  const b = after === '' ? [] : after.replace(/\n$/, '').split('\n');
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head++;
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++;

  const lines: DiffLine[] = [];
  for (let i = 0; i < head; i++) lines.push({ kind: 'same', text: a[i]!, before: i + 1, after: i + 1 });
  lines.push(...middle(a.slice(head, a.length - tail), b.slice(head, b.length - tail), head));
  for (let i = tail; i > 0; i--) lines.push({ kind: 'same', text: a[a.length - i]!, before: a.length - i + 1, after: b.length - i + 1 });
  return lines;
}

function middle(a: string[], b: string[], offset: number): DiffLine[] {
  const gone = (i: number): DiffLine => ({ kind: 'gone', text: a[i]!, before: offset + i + 1, after: 0 });
  const added = (j: number): DiffLine => ({ kind: 'new', text: b[j]!, before: 0, after: offset + j + 1 });
  const trace = search(a, b);
  if (!trace) return [...a.map((_, i) => gone(i)), ...b.map((_, j) => added(j))];

  const reversed: DiffLine[] = [];
  let x = a.length;
  let y = b.length;
  for (let d = trace.length - 1; d >= 0; d--) {
    const v = trace[d]!;
    const k = x - y;
    const down = k === -d || (k !== d && at(v, k - 1) < at(v, k + 1));
    const from = down ? k + 1 : k - 1;
    const fromX = d === 0 ? 0 : at(v, from);
    const fromY = d === 0 ? 0 : fromX - from;
    while (x > fromX && y > fromY && a[x - 1] === b[y - 1]) {
      reversed.push({ kind: 'same', text: a[x - 1]!, before: offset + x, after: offset + y });
      x--;
      y--;
    }
    if (d === 0) break;
    if (down) reversed.push(added(--y));
    else reversed.push(gone(--x));
  }
  return reversed.reverse();
}

const at = (v: Map<number, number>, k: number) => v.get(k) ?? -1;

function search(a: string[], b: string[]): Map<number, number>[] | undefined {
  const trace: Map<number, number>[] = [];
  let v = new Map<number, number>([[1, 0]]);
  for (let d = 0; d <= Math.min(a.length + b.length, limit); d++) {
    trace.push(new Map(v));
    const next = new Map(v);
    for (let k = -d; k <= d; k += 2) {
      let x = k === -d || (k !== d && at(next, k - 1) < at(next, k + 1)) ? at(next, k + 1) : at(next, k - 1) + 1;
      let y = x - k;
      while (x < a.length && y < b.length && a[x] === b[y]) {
        x++;
        y++;
      }
      next.set(k, x);
      if (x >= a.length && y >= b.length) return trace;
    }
    v = next;
  }
  return undefined;
}

export interface Hunk {
  lines: DiffLine[];
  /** How many equal lines are left out before the lines. */
  skipped: number;
}

/** hunks leaves out equal lines that are further than context from a difference. */
export function hunks(lines: DiffLine[], context = 3): Hunk[] {
  const near = new Uint8Array(lines.length);
  lines.forEach((line, i) => {
    if (line.kind === 'same') return;
    for (let j = Math.max(0, i - context); j <= Math.min(lines.length - 1, i + context); j++) near[j] = 1;
  });
  const result: Hunk[] = [];
  let skipped = 0;
  let open: Hunk | undefined;
  lines.forEach((line, i) => {
    if (!near[i]) {
      skipped++;
      open = undefined;
      return;
    }
    if (!open) {
      open = { lines: [], skipped };
      skipped = 0;
      result.push(open);
    }
    open.lines.push(line);
  });
  return result;
}
