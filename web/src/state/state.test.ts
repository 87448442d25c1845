import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { row } from '../deployments/row.fixture';
import { DeploymentStore } from './deployments';
import { legacyTarget, nodeParam, parseNode } from './paths';
import { PreferenceStore } from './preferences';
import { Stream, type StreamSink } from './stream';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

describe('DeploymentStore', () => {
  it('gathers changes and tells of them once', () => {
    const store = new DeploymentStore(300);
    const told = vi.fn();
    store.subscribe(told);
    store.replace({ items: [row({ name: 'a' }), row({ name: 'b' })], environments: ['dev'], cursor: '1' });
    expect(told).toHaveBeenCalledTimes(1);
    const before = store.read();
    store.upsert(row({ name: 'a', health: 'Degraded' }));
    store.upsert(row({ name: 'c', environment: 'qa' }));
    store.remove({ namespace: 'argocd', name: 'b' });
    expect(store.read()).toBe(before);
    vi.advanceTimersByTime(300);
    expect(told).toHaveBeenCalledTimes(2);
    expect(store.read().rows.map((each) => `${each.name} ${each.health}`)).toEqual(['a Degraded', 'c Healthy']);
    expect(store.read().environments).toEqual(['dev', 'qa']);
  });

  it('keeps the object of a row that did not change, so that only changed rows are drawn', () => {
    const store = new DeploymentStore();
    const a = row({ name: 'a' });
    store.replace({ items: [a, row({ name: 'b' })], environments: [], cursor: '' });
    store.upsert(row({ name: 'b', sync: 'OutOfSync' }));
    store.flush();
    expect(store.get('argocd', 'a')).toBe(a);
    expect(store.get('', 'b')?.sync).toBe('OutOfSync');
  });

  it('takes a list of nothing', () => {
    const store = new DeploymentStore();
    store.replace({ items: null, environments: null, cursor: '' });
    expect(store.read()).toMatchObject({ rows: [], loaded: true });
  });
});

class FakeSource extends EventTarget {
  readyState = 1;
  closed = false;
  onopen: (() => void) | null = null;
  onerror: (() => void) | null = null;
  constructor(readonly cursor: string) {
    super();
  }
  close() {
    this.closed = true;
  }
  say(name: string, data: unknown, lastEventId: string) {
    this.dispatchEvent(new MessageEvent(name, { data: JSON.stringify(data), lastEventId }));
  }
}

function streaming() {
  const sources: FakeSource[] = [];
  const page = { hidden: false, listener: () => {} };
  const sink = { upsert: vi.fn(), remove: vi.fn(), connected: vi.fn(), resync: vi.fn(async () => 'fresh') } satisfies StreamSink;
  const host = {
    open: (cursor: string) => {
      const source = new FakeSource(cursor);
      sources.push(source);
      return source as unknown as EventSource;
    },
    hidden: () => page.hidden,
    onVisibility: (listener: () => void) => {
      page.listener = listener;
      return () => {};
    },
  };
  const stream = new Stream(sink, host, '1');
  const show = (yes: boolean) => {
    page.hidden = !yes;
    page.listener();
  };
  return { sources, sink, stream, show };
}

describe('Stream', () => {
  it('closes when the tab is hidden for a while, and goes on from the last event', () => {
    const { sources, sink, show } = streaming();
    expect(sources[0]!.cursor).toBe('1');
    sources[0]!.say('deployment', { name: 'a' }, '7');
    expect(sink.upsert).toHaveBeenCalledWith({ name: 'a' });
    show(false);
    vi.advanceTimersByTime(500);
    show(true);
    expect(sources).toHaveLength(1);
    expect(sources[0]!.closed).toBe(false);
    show(false);
    vi.advanceTimersByTime(1000);
    expect(sources[0]!.closed).toBe(true);
    show(true);
    expect(sources[1]!.cursor).toBe('7');
  });

  it('loads everything again on resync', async () => {
    const { sources, sink } = streaming();
    sources[0]!.say('resync', {}, '9');
    await vi.advanceTimersByTimeAsync(0);
    expect(sink.resync).toHaveBeenCalledTimes(1);
    expect(sources[0]!.closed).toBe(true);
    expect(sources[1]!.cursor).toBe('fresh');
  });

  it('tries again when the server refuses, until it does not', async () => {
    const { sources, sink } = streaming();
    sink.resync.mockRejectedValueOnce(new Error('down'));
    sources[0]!.readyState = 2;
    sources[0]!.onerror!();
    expect(sink.connected).toHaveBeenLastCalledWith(false);
    await vi.advanceTimersByTimeAsync(3000);
    expect(sources).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(3000);
    expect(sources).toHaveLength(2);
  });

  it('leaves a break to the browser while that reconnects', async () => {
    const { sources, sink } = streaming();
    sources[0]!.readyState = 0;
    sources[0]!.onerror!();
    await vi.advanceTimersByTimeAsync(10000);
    expect(sink.resync).not.toHaveBeenCalled();
  });

  it('ends for good', async () => {
    const { sources, stream, show } = streaming();
    stream.stop();
    show(true);
    await vi.advanceTimersByTimeAsync(10000);
    expect(sources.filter((each) => !each.closed)).toHaveLength(0);
  });

  it('tells of what is gone', () => {
    const { sources, sink } = streaming();
    sources[0]!.say('deleted', { namespace: 'argocd', name: 'a' }, '8');
    expect(sink.remove).toHaveBeenCalledWith({ namespace: 'argocd', name: 'a' });
  });
});

describe('PreferenceStore', () => {
  it.each([['nothing', null], ['no JSON', '{'], ['something else', '{"favourites":3,"theme":"pink"}'], ['null', 'null']])('starts anew from %s', (_, stored) => {
    expect(new PreferenceStore({ getItem: () => stored, setItem: () => {} }).read()).toEqual({ theme: 'system', favourites: [], recent: [] });
  });

  it('remembers', () => {
    const kept: Record<string, string> = {};
    const storage = { getItem: (key: string) => kept[key] ?? null, setItem: (key: string, value: string) => void (kept[key] = value) };
    const store = new PreferenceStore(storage);
    store.toggleFavourite('a/b');
    store.visited('a/b');
    store.visited('a/c');
    store.visited('a/b');
    expect(new PreferenceStore(storage).read()).toMatchObject({ favourites: ['a/b'], recent: ['a/b', 'a/c'] });
    store.toggleFavourite('a/b');
    expect(new PreferenceStore(storage).read().favourites).toEqual([]);
  });

  it('goes on where a browser refuses storage', () => {
    const refuse = () => {
      throw new Error('denied');
    };
    const store = new PreferenceStore({ getItem: refuse, setItem: refuse });
    store.set({ theme: 'dark' });
    expect(store.read().theme).toBe('dark');
  });
});

describe('old links', () => {
  it.each([
    ['operation=true', 'operation'],
    ['rollback=0', 'history'],
    ['deploy=all', 'review'],
    ['deploy=apps%2FDeployment%2Fx%2Fy&revision=a%2Fb', 'review?revision=a%2Fb'],
    ['tab=parameters', 'details'],
    ['node=apps%2FDeployment%2Fns%2Fweb%2F0&tab=logs', undefined],
    ['node=apps%2FDeployment%2Fns%2Fweb%2F0&tab=summary', undefined],
    ['view=tree&conditions=true', undefined],
  ])('%s', (query, want) => {
    expect(legacyTarget(new URLSearchParams(query))).toBe(want);
  });

  it('reads a node as Argo CD writes it', () => {
    expect(parseNode('apps/Deployment/shop/web/0')).toEqual({ group: 'apps', kind: 'Deployment', namespace: 'shop', name: 'web' });
    expect(parseNode('/Namespace//shop/0')).toEqual({ group: '', kind: 'Namespace', namespace: '', name: 'shop' });
    expect(parseNode(nodeParam({ kind: 'Pod', namespace: 'a', name: 'b' }))).toEqual({ group: '', kind: 'Pod', namespace: 'a', name: 'b' });
    expect(parseNode('nonsense')).toBeUndefined();
    expect(parseNode(null)).toBeUndefined();
  });
});
