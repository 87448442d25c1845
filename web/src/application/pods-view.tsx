import { useMemo } from 'react';
import { Empty } from '../components/parts';
import { Health, healthTone } from '../components/status';
import { image } from '../format/revision';
import type { ResourceItem } from '../tree/build';

interface PodGroup {
  owner: ResourceItem;
  pods: ResourceItem[];
}

function collect(items: readonly ResourceItem[], top: ResourceItem | undefined, into: Map<ResourceItem, ResourceItem[]>): void {
  for (const item of items) {
    const owner = top ?? item;
    if (item.node.kind === 'Pod' && !item.node.group) into.set(owner, [...(into.get(owner) ?? []), item]);
    collect(item.children, owner, into);
  }
}

const most = 200;

/** PodsView shows the pods by what the application declares, one square each. */
export function PodsView({ items, selected, onSelect }: { items: readonly ResourceItem[]; selected: ResourceItem | undefined; onSelect: (item: ResourceItem) => void }) {
  const groups = useMemo<PodGroup[]>(() => {
    const found = new Map<ResourceItem, ResourceItem[]>();
    collect(items, undefined, found);
    return [...found].map(([owner, pods]) => ({ owner, pods: pods.sort((a, b) => a.concern - b.concern) }));
  }, [items]);
  if (groups.length === 0) return <Empty title="No pods">Nothing of this application runs in a pod now.</Empty>;
  return (
    <div className="scroller plain" tabIndex={0} role="group" aria-label="Pods">
      <div className="stack pods">
        {groups.map(({ owner, pods }) => {
          const ready = pods.filter((pod) => pod.health === 'Healthy').length;
          return (
            <section key={owner.node.uid ?? owner.node.name} className="card stack" aria-label={`${owner.node.kind} ${owner.node.name}`}>
              <div className="row spread wrap">
                <h2>
                  <span className="muted">{owner.node.kind}</span> {owner.node.name}
                </h2>
                <span className="row">
                  {owner.health && <Health status={owner.health} />}
                  <span>
                    {ready} of {pods.length} healthy
                  </span>
                </span>
              </div>
              <ul className="pod-grid">
                {pods.slice(0, most).map((pod) => (
                  <li key={pod.node.uid ?? pod.node.name}>
                    <button type="button" className={`pod edge-${healthTone(pod.health)}`} aria-pressed={pod.node === selected?.node} onClick={() => onSelect(pod)}>
                      <span className="row">
                        <Health status={pod.health} compact />
                        <span className="truncate">{pod.node.name}</span>
                      </span>
                      <span className="muted small truncate">{pod.node.info?.map((each) => `${each.name}: ${each.value}`).join(' · ') || pod.node.images?.map((each) => image(each).version).join(', ')}</span>
                    </button>
                  </li>
                ))}
              </ul>
              {pods.length > most && <p className="muted">{pods.length - most} more are in the list view.</p>}
            </section>
          );
        })}
      </div>
    </div>
  );
}
