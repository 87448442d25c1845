import { hierarchy, tree } from 'd3-hierarchy';
import type { TreeEntry } from './build';

export const nodeWidth = 236;
export const nodeHeight = 46;
const columnGap = 44;
const rowGap = 10;

export interface Placed {
  entry: TreeEntry;
  x: number;
  y: number;
  parent?: Placed | undefined;
}

export interface Layout {
  nodes: Placed[];
  width: number;
  height: number;
}

/** layoutTree places the entries from left to right; root stands for the application. */
export function layoutTree(root: TreeEntry): Layout {
  const placed = tree<TreeEntry>()
    .nodeSize([nodeHeight + rowGap, nodeWidth + columnGap])
    .separation(() => 1)(hierarchy(root));
  let top = Infinity;
  let bottom = -Infinity;
  let right = 0;
  placed.each((node) => {
    top = Math.min(top, node.x);
    bottom = Math.max(bottom, node.x);
    right = Math.max(right, node.y);
  });
  const nodes: Placed[] = [];
  const byNode = new Map<unknown, Placed>();
  placed.each((node) => {
    const place: Placed = { entry: node.data, x: node.y, y: node.x - top, parent: node.parent ? byNode.get(node.parent) : undefined };
    byNode.set(node, place);
    nodes.push(place);
  });
  // Sorted by height, so that what is in view is found by two searches.
  nodes.sort((a, b) => a.y - b.y);
  return { nodes, width: right + nodeWidth, height: bottom - top + nodeHeight };
}

/** visible returns the nodes between two heights, and those whose line to the parent crosses them. */
export function visible(layout: Layout, from: number, to: number): Placed[] {
  const { nodes } = layout;
  const found = new Set<Placed>();
  for (let i = firstFrom(nodes, from - nodeHeight); i < nodes.length && nodes[i]!.y <= to; i++) {
    for (let node: Placed | undefined = nodes[i]; node && !found.has(node); node = node.parent) found.add(node);
  }
  return [...found];
}

function firstFrom(nodes: readonly Placed[], y: number): number {
  let low = 0;
  let high = nodes.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (nodes[middle]!.y < y) low = middle + 1;
    else high = middle;
  }
  return low;
}
