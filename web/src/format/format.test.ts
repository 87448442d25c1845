import { describe, expect, it } from 'vitest';
import { diffLines, hunks } from './linediff';
import { image, plural, repository, short } from './revision';
import { duration, parseTime, relative } from './time';
import { manifest, toYAML } from './yaml';

describe('toYAML', () => {
  it.each([
    [{ a: 1, b: [], c: {}, d: null }, 'a: 1\nb: []\nc: {}\nd: null\n'],
    [{ list: [{ name: 'x', ports: [80, '80'] }, 'text', []] }, 'list:\n- name: x\n  ports:\n  - 80\n  - "80"\n- text\n- []\n'],
    [{ on: 'yes', no: 'null', empty: '', number: '1.5', version: 'v1.5', colon: 'a: b', hash: 'a #b', star: '*', minus: '-x' }, '"on": "yes"\n"no": "null"\nempty: ""\nnumber: "1.5"\nversion: v1.5\ncolon: "a: b"\nhash: "a #b"\nstar: "*"\nminus: "-x"\n'],
    [{ script: 'a\n\n  b\n' }, 'script: |\n  a\n\n    b\n'],
    [{ script: 'a\nb' }, 'script: |-\n  a\n  b\n'],
    [{ script: ' a\nb' }, 'script: " a\\nb"\n'],
    [['a', ['b', 'c']], '- a\n- - b\n  - c\n'],
    ['text', 'text\n'],
    [[], '[]\n'],
  ])('%j', (value, want) => {
    expect(toYAML(value)).toBe(want);
  });

  it('leaves out who manages which field, and shows what is no JSON as it is', () => {
    expect(manifest('{"kind":"Pod","metadata":{"name":"a","managedFields":[{}]}}')).toBe('kind: Pod\nmetadata:\n  name: a\n');
    expect(manifest('not json')).toBe('not json');
    expect(manifest('null')).toBe('');
    expect(manifest(undefined)).toBe('');
  });
});

/** apply takes a diff's own lines: the old text without what is new, the new one without what is gone. */
const side = (lines: ReturnType<typeof diffLines>, without: string) => lines.filter((line) => line.kind !== without).map((line) => line.text).join('\n');

describe('diffLines', () => {
  const marks = (before: string, after: string) => diffLines(before, after).map((line) => ({ same: ' ', gone: '-', new: '+' })[line.kind] + line.text).join('|');
  it.each([
    ['', '', ''],
    ['a', 'a', ' a'],
    ['', 'a\nb', '+a|+b'],
    ['a\nb\n', '', '-a|-b'],
    ['a\nb\nc', 'a\nx\nc', ' a|-b|+x| c'],
    ['a\nb\nc\nd', 'b\nc\ne\nd', '-a| b| c|+e| d'],
  ])('%j to %j', (before, after, want) => {
    expect(marks(before, after)).toBe(want);
  });

  it('tells both texts exactly, whatever they are', () => {
    // A simple generator: every run sees the same texts.
    let state = 42;
    const next = (n: number) => (state = (state * 1103515245 + 12345) % 2147483648) % n;
    for (let round = 0; round < 300; round++) {
      const a = Array.from({ length: 1 + next(30) }, () => 'abcdef'[next(6)]).join('\n');
      const b = Array.from({ length: 1 + next(30) }, () => 'abcdef'[next(6)]).join('\n');
      const lines = diffLines(a, b);
      expect(side(lines, 'new')).toBe(a);
      expect(side(lines, 'gone')).toBe(b);
      expect(lines.filter((line) => line.before).map((line) => line.before)).toEqual(a.split('\n').map((_, i) => i + 1));
      expect(lines.filter((line) => line.after).map((line) => line.after)).toEqual(b.split('\n').map((_, i) => i + 1));
    }
  });

  it('gives up on texts that have nothing in common', () => {
    const a = Array.from({ length: 2000 }, (_, i) => `a${i}`).join('\n');
    const b = Array.from({ length: 2000 }, (_, i) => `b${i}`).join('\n');
    const lines = diffLines(a, b);
    expect(side(lines, 'new')).toBe(a);
    expect(side(lines, 'gone')).toBe(b);
  });

  it('leaves out what is far from a difference', () => {
    const text = Array.from({ length: 50 }, (_, i) => `line ${i}`);
    const parts = hunks(diffLines(text.join('\n'), [...text.slice(0, 25), 'more', ...text.slice(25)].join('\n')), 2);
    expect(parts).toHaveLength(1);
    expect(parts[0]).toMatchObject({ skipped: 23 });
    expect(parts[0]!.lines).toHaveLength(5);
  });
});

describe('words', () => {
  it.each([
    ['8f2c1a4b8f2c1a4b8f2c1a4b8f2c1a4b8f2c1a4b', '8f2c1a4'],
    ['1.4.2', '1.4.2'],
    ['sha256:' + 'ab'.repeat(32), 'abababababab'],
    ['feature/x', 'feature/x'],
  ])('short %s', (revision, want) => expect(short(revision)).toBe(want));

  it.each([
    ['registry.example.com:5000/team/web:1.4', 'web', '1.4'],
    ['web', 'web', 'latest'],
    ['a/web@sha256:' + 'cd'.repeat(32), 'web', 'cdcdcdcdcdcd'],
    ['a/web:1@sha256:' + 'cd'.repeat(32), 'web', '1'],
  ])('image %s', (reference, name, version) => expect(image(reference)).toEqual({ name, version }));

  it.each([
    ['https://user@git.example.com/a/b.git', 'git.example.com/a/b'],
    ['ssh://git@git.example.com/a/b', 'git.example.com/a/b'],
    ['git@git.example.com:a/b.git', 'git.example.com:a/b'],
  ])('repository %s', (address, want) => expect(repository(address)).toBe(want));

  it('counts', () => expect([plural(1, 'change'), plural(0, 'change')]).toEqual(['1 change', '0 changes']));
});

describe('time', () => {
  const now = Date.parse('2030-01-02T12:00:00Z');
  it.each([
    [2, 'now'],
    [65, '1m ago'],
    [7200, '2h ago'],
    [86400 * 3, '3d ago'],
    [-3600, 'in 1h'],
  ])('%d seconds', (seconds, want) => expect(relative(now - seconds * 1000, now)).toBe(want));

  it('knows no time where there is none', () => expect([parseTime(null), parseTime(''), parseTime('0001-01-01T00:00:00Z'), parseTime('x')]).toEqual([undefined, undefined, undefined, undefined]));
  it.each([[500, '1s'], [80_000, '1m 20s'], [3_700_000, '1h 1m'], [86400_000 * 3, '3d 0h']])('duration %d', (time, want) => expect(duration(time)).toBe(want));
});
