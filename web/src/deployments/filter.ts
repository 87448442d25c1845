import type { Deployment } from '../api/types';
import { image, repository } from '../format/revision';

/** Facets are what the list is filtered by. Their names in the address are those of Argo CD, so that old links work. */
export interface Facet {
  key: string;
  title: string;
  /** The row's value; empty when it has none. */
  value(row: Deployment): string;
}

export const destination = (row: Deployment) => row.destName || row.destServer || '';

const repositories = new Map<string, string>();

// A fleet has few repositories, and many rows of each.
function repositoryOf(url: string): string {
  let text = repositories.get(url);
  if (text === undefined) repositories.set(url, (text = repository(url)));
  return text;
}

export const facets: readonly Facet[] = [
  { key: 'health', title: 'Health', value: (row) => row.health || 'Unknown' },
  { key: 'sync', title: 'Sync', value: (row) => row.sync || 'Unknown' },
  { key: 'operation', title: 'Last operation', value: (row) => row.operation ?? '' },
  { key: 'env', title: 'Environment', value: (row) => row.environment ?? '' },
  { key: 'proj', title: 'Project', value: (row) => row.project ?? '' },
  { key: 'autoSync', title: 'Auto-sync', value: (row) => (row.autoSync ? 'Enabled' : 'Disabled') },
  { key: 'cluster', title: 'Cluster', value: destination },
  { key: 'namespace', title: 'Namespace', value: (row) => row.destNamespace ?? '' },
  { key: 'repo', title: 'Repository', value: (row) => repositoryOf(row.repoURL) },
  { key: 'targetRevision', title: 'Target revision', value: (row) => row.targetRevision ?? '' },
];

export interface Filter {
  search: string;
  chosen: Readonly<Record<string, readonly string[]>>;
  /** Terms such as team=payments, !legacy or tier!=1. */
  labels: readonly string[];
  favourites: boolean;
}

/** parseFilter reads a filter from the query of the address. Of a repository the long form is understood as well. */
export function parseFilter(params: URLSearchParams): Filter {
  const list = (key: string) => (params.get(key) ?? '').split(',').map(decode).filter(Boolean);
  const chosen: Record<string, string[]> = {};
  for (const facet of facets) {
    let values = list(facet.key);
    if (facet.key === 'repo') values = values.map(repository);
    if (facet.key === 'autoSync') values = values.map((value) => (/^(true|enabled)$/i.test(value) ? 'Enabled' : 'Disabled'));
    if (values.length) chosen[facet.key] = values;
  }
  return { search: params.get('search') ?? '', chosen, labels: list('labels'), favourites: params.get('showFavorites') === 'true' };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text).trim();
  } catch {
    return text.trim();
  }
}

/** toggled returns the value of a key of the address with one value more, or one less. */
export function toggled(values: readonly string[] | undefined, value: string): string {
  const now = values ?? [];
  return (now.includes(value) ? now.filter((each) => each !== value) : [...now, value]).map((each) => each.replaceAll('%', '%25').replaceAll(',', '%2C')).join(',');
}

/** cleared removes every filter. */
export const cleared: Record<string, undefined> = Object.fromEntries(['search', 'labels', 'showFavorites', ...facets.map((facet) => facet.key)].map((key) => [key, undefined]));

export const isFiltered = (filter: Filter) => filter.search !== '' || filter.labels.length > 0 || filter.favourites || Object.keys(filter.chosen).length > 0;

type Test = (row: Deployment) => boolean;

function searchTest(search: string): Test | undefined {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return undefined;
  return (row) =>
    words.every((word) => {
      const negated = word.length > 1 && word.startsWith('!');
      return haystack(row).includes(negated ? word.slice(1) : word) !== negated;
    });
}

const haystacks = new WeakMap<Deployment, string>();

function haystack(row: Deployment): string {
  let text = haystacks.get(row);
  if (text === undefined) {
    const parts = [row.name, row.namespace, row.project, row.service, row.environment, row.destNamespace, row.deployed?.revision, row.deployed?.subject, row.deployed?.author, row.deployedBy];
    for (const reference of row.images ?? []) parts.push(image(reference).name + ':' + image(reference).version);
    text = parts.filter(Boolean).join('\n').toLowerCase();
    haystacks.set(row, text);
  }
  return text;
}

function labelTest(term: string): Test {
  const match = /^(!?)([^=!]+?)(?:(!?)==?(.*))?$/.exec(term);
  if (!match) return () => false;
  const [, absent, key = '', not, value] = match;
  if (value === undefined) return (row) => (key in (row.labels ?? {})) !== (absent === '!');
  return (row) => (row.labels?.[key] === value) !== (not === '!');
}

interface Tests {
  facets: Map<string, Test>;
  rest: Test[];
}

function compile(filter: Filter, favourites: ReadonlySet<string>): Tests {
  const tests: Tests = { facets: new Map(), rest: filter.labels.map(labelTest) };
  for (const facet of facets) {
    const wanted = filter.chosen[facet.key];
    if (wanted) tests.facets.set(facet.key, (row) => wanted.includes(facet.value(row)));
  }
  const search = searchTest(filter.search);
  if (search) tests.rest.push(search);
  if (filter.favourites) tests.rest.push((row) => favourites.has(`${row.namespace}/${row.name}`));
  return tests;
}

export interface Filtered {
  rows: Deployment[];
  /** For each facet how many rows each value would leave, were the facet's own choice not made. */
  counts: Record<string, Map<string, number>>;
}

/** applyFilter selects rows, and counts what each value of each facet would show. */
export function applyFilter(rows: readonly Deployment[], filter: Filter, favourites: ReadonlySet<string>): Filtered {
  const tests = compile(filter, favourites);
  const counts: Record<string, Map<string, number>> = Object.fromEntries(facets.map((facet) => [facet.key, new Map<string, number>()]));
  const counting = facets.map((facet) => ({ facet, count: counts[facet.key]! }));
  const selected: Deployment[] = [];
  for (const row of rows) {
    if (!tests.rest.every((test) => test(row))) continue;
    let failed: string | undefined;
    let failures = 0;
    for (const [key, test] of tests.facets) {
      if (!test(row)) {
        failed = key;
        if (++failures > 1) break;
      }
    }
    if (failures > 1) continue;
    if (failures === 0) selected.push(row);
    for (const { facet, count } of counting) {
      if (failures === 1 && facet.key !== failed) continue;
      const value = facet.value(row);
      if (value) count.set(value, (count.get(value) ?? 0) + 1);
    }
  }
  // A value that is chosen stays visible, so that it can be taken back.
  for (const [key, values] of Object.entries(filter.chosen)) for (const value of values) if (!counts[key]?.has(value)) counts[key]?.set(value, 0);
  return { rows: selected, counts };
}
