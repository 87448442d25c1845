import { describe, expect, it } from 'vitest';
import { row } from '../deployments/row.fixture';
import { deploymentTable, treeTable } from '../../e2e/table.mjs';
import { readDeployments, readTree } from './table';

const commit = { revision: 'a'.repeat(40), subject: 'raise the limit', author: 'Ana Example', date: '2027-03-01T00:00:00Z', url: `https://git.example.com/deploy/commit/${'a'.repeat(40)}` };

describe('tables', () => {
  it('gives the rows back', () => {
    const rows = [
      row({ name: 'shop-prod', labels: { team: 'retail', tier: '1' }, deployed: commit, wanted: { ...commit, url: '' }, images: ['web:1', 'proxy:2'], can: ['sync', 'logs'], pending: { create: 1, update: 2, delete: 3 }, autoSync: true, selfHeal: false, prune: true, problem: 'crashes', window: 'closed' }),
      row({ name: 'shop-dev', deployed: commit, can: [] }),
    ];
    const { items, environments, cursor } = readDeployments(deploymentTable(rows, ['dev'], '7'));
    expect([environments, cursor]).toEqual([['dev'], '7']);
    // What a row has not is the empty text in a table.
    expect(items).toMatchObject(rows.map((each) => JSON.parse(JSON.stringify(each)) as object));
    expect(items![1]!.wanted).toBeUndefined();
    expect(items![0]!.deployed).toBe(items![1]!.deployed);
  });

  it('takes a table of nothing', () => {
    expect(readDeployments({ texts: [''], lists: [[]], commits: {}, rows: {}, environments: null, cursor: '' } as never)).toEqual({ items: [], environments: null, cursor: '' });
    expect(readTree({ texts: [''], lists: [[]], nodes: {}, orphaned: 0 } as never)).toEqual({ nodes: [], orphanedNodes: [] });
  });

  it('gives the nodes back, the orphaned ones apart', () => {
    const pod = { group: '', version: 'v1', kind: 'Pod', namespace: 'shop', name: 'web-1', uid: 'u1', parents: ['u2'], images: ['web:1'], info: [{ name: 'Node', value: 'n1' }], resourceVersion: '7', createdAt: '2027-03-01T00:00:00Z', health: { status: 'Degraded', message: 'crashes' } };
    const old = { group: '', version: 'v1', kind: 'Secret', namespace: 'shop', name: 'old', uid: 'u3' };
    const { nodes, orphanedNodes } = readTree({ ...treeTable([pod, old]), orphaned: 1 });
    expect(nodes).toEqual([pod]);
    expect(orphanedNodes).toEqual([{ ...old, parents: [], images: [], info: [], resourceVersion: '' }]);
  });
});
