import { describe, expect, it } from 'vitest';
import { patched } from '../state/url';
import { applyFilter, isFiltered, parseFilter, toggled } from './filter';
import { buildMatrix } from './matrix';
import { concern, sortRows } from './order';
import { row } from './row.fixture';

const rows = [
  row({ name: 'shop-dev' }),
  row({ name: 'shop-prod', environment: 'production', sync: 'OutOfSync', autoSync: false, images: ['registry.example.com/shop:1.4'], labels: { team: 'retail', tier: '1' } }),
  row({ name: 'mail-dev', service: 'mail', project: 'office', health: 'Degraded', labels: { team: 'office' }, deployed: { revision: 'abcdef0', subject: 'drop the old queue', author: 'Ana Example' } }),
  row({ name: 'mail-prod', service: 'mail', project: 'office', environment: 'production', health: 'Degraded', sync: 'OutOfSync' }),
];

const select = (query: string, favourites: string[] = []) => applyFilter(rows, parseFilter(new URLSearchParams(query)), new Set(favourites));
const names = (query: string, favourites?: string[]) => select(query, favourites).rows.map((each) => each.name);

describe('filters', () => {
  it.each([
    ['', ['shop-dev', 'shop-prod', 'mail-dev', 'mail-prod']],
    ['search=shop', ['shop-dev', 'shop-prod']],
    ['search=SHOP !prod', ['shop-dev']],
    ['search=shop:1.4', ['shop-prod']],
    ['search=old queue ana', ['mail-dev']],
    ['health=Degraded', ['mail-dev', 'mail-prod']],
    ['health=Degraded,Healthy&sync=OutOfSync', ['shop-prod', 'mail-prod']],
    ['proj=office&env=dev', ['mail-dev']],
    ['labels=team%3Dretail', ['shop-prod']],
    ['labels=team', ['shop-prod', 'mail-dev']],
    ['labels=!team', ['shop-dev', 'mail-prod']],
    ['labels=tier!%3D1,team', ['mail-dev']],
    ['autoSync=Disabled', ['shop-prod']],
    ['autoSync=true&proj=retail', ['shop-dev']],
    ['repo=https%253A%252F%252Fgit.example.com%252Fdeploy.git&env=dev', ['shop-dev', 'mail-dev']],
    ['showFavorites=true', ['mail-dev']],
  ])('%s', (query, want) => {
    expect(names(query, ['argocd/mail-dev'])).toEqual(want);
  });

  it('counts what each value would show, its own facet aside', () => {
    const { counts } = select('health=Degraded&sync=OutOfSync');
    expect(Object.fromEntries(counts.health!)).toEqual({ Healthy: 1, Degraded: 1 });
    expect(Object.fromEntries(counts.sync!)).toEqual({ Synced: 1, OutOfSync: 1 });
    expect(Object.fromEntries(counts.proj!)).toEqual({ office: 1 });
  });

  it('keeps a chosen value that nothing has', () => {
    expect(select('health=Missing').counts.health!.get('Missing')).toBe(0);
  });

  it('goes through the address and back, commas included', () => {
    const value = toggled(['a,b', '100%'], 'c');
    const filter = parseFilter(new URLSearchParams(patched('?view=list', { proj: value })));
    expect(filter.chosen.proj).toEqual(['a,b', '100%', 'c']);
    expect(isFiltered(filter)).toBe(true);
    expect(patched('?proj=x&view=list', { proj: toggled(['x'], 'x') })).toBe('?view=list');
  });
});

describe('order', () => {
  it('puts first what needs somebody', () => {
    const failed = row({ name: 'failed', operation: 'Failed' });
    expect(sortRows([...rows, failed], 'attention', []).map((each) => each.name)).toEqual(['failed', 'mail-dev', 'mail-prod', 'shop-prod', 'shop-dev']);
    expect(concern(row({}))).toBe(8);
  });

  it('orders numbers in names by their value', () => {
    expect(sortRows([row({ name: 'app-10' }), row({ name: 'app-9' })], 'name', []).map((each) => each.name)).toEqual(['app-9', 'app-10']);
  });
});

describe('matrix', () => {
  it('arranges services by environments in their order, the worst first', () => {
    const matrix = buildMatrix(rows, ['dev', 'staging', 'production'], 'attention');
    expect(matrix.columns).toEqual(['dev', 'production']);
    expect(matrix.rows.map((each) => each.service)).toEqual(['mail', 'shop']);
    expect(matrix.rows[1]!.cells.get('production')!.map((each) => each.name)).toEqual(['shop-prod']);
  });

  it('keeps services of two projects apart, and stacks what shares a cell', () => {
    const matrix = buildMatrix([row({ name: 'b' }), row({ name: 'a' }), row({ name: 'c', project: 'other' }), row({ name: 'd', environment: '' })], ['dev'], 'name');
    expect(matrix.rows.map((each) => [each.project, each.depth])).toEqual([['other', 1], ['retail', 2]]);
    expect(matrix.columns).toEqual(['dev', 'other']);
  });
});
