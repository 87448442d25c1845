import { describe, expect, it } from 'vitest';
import { byDay } from '../activity/feed';
import { url } from '../api/client';
import { rankText } from '../components/rank';
import { row } from '../deployments/row.fixture';
import { neighbours } from './compare';
import { safeReturn } from './login';

describe('after signing in', () => {
  const base = 'https://belay.example.com/ui/';
  it.each([
    [null, '/'],
    ['/ui/applications/argocd/shop?tab=x', '/applications/argocd/shop?tab=x'],
    ['https://belay.example.com/ui/timeline', '/timeline'],
    ['https://evil.example.com/ui/', '/'],
    ['//evil.example.com/ui/', '/'],
    ['/elsewhere', '/'],
    ['javascript:alert(1)', '/'],
  ])('%s leads to %s', (target, want) => expect(safeReturn(target, base)).toBe(want));
});

describe('url', () => {
  it('stays below the base, and leaves out what is not set', () => {
    expect(url('/api/v1/x', { a: 'b c', none: '', no: false, zero: 0, list: ['1', '2'] }, 'https://h.example.com/ui/')).toBe('https://h.example.com/ui/api/v1/x?a=b+c&zero=0&list=1&list=2');
  });
});

describe('rankText', () => {
  it('prefers beginnings', () => {
    const rank = (query: string) => rankText(query, 'callcenter-ai-prod production');
    expect(rank('call')).toBeGreaterThan(rank('prod'));
    expect(rank('prod')).toBeGreaterThan(rank('enter'));
    expect(rank('enter')).toBeGreaterThan(rank('cap'));
    expect([rank('zz'), rank('call zz')]).toEqual([0, 0]);
  });
});

describe('neighbours', () => {
  it('pairs environments of a service that run different commits', () => {
    const at = (environment: string, revision: string, service = 'shop') => row({ name: `${service}-${environment}`, service, environment, deployed: { revision } });
    const pairs = neighbours([at('production', 'a'), at('dev', 'b'), at('staging', 'b'), at('dev', 'x', 'mail')], ['dev', 'staging', 'production']);
    expect(pairs.map((pair) => `${pair.from.name} > ${pair.to.name}`)).toEqual(['shop-staging > shop-production']);
  });
});

it('groups activities by day', () => {
  const at = (id: string, time: string) => ({ id, time, kind: 'sync', text: '' });
  expect(byDay([at('a', '2030-01-02T12:00:00Z'), at('b', '2030-01-02T11:00:00Z'), at('c', '2029-12-20T12:00:00Z')]).map((day) => day.items.map((each) => each.id))).toEqual([['a', 'b'], ['c']]);
});
