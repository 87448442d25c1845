import { applications } from '../api/endpoints';
import type { KubeEvent } from '../api/argocd';
import type { ResourceRef } from '../api/types';
import { Empty, Loaded } from '../components/parts';
import { Time } from '../components/time';
import { useQuery } from '../state/query';
import { useApplication } from './data';

const timeOf = (event: KubeEvent) => event.lastTimestamp ?? event.eventTime ?? event.firstTimestamp ?? event.metadata.creationTimestamp ?? '';

/** Events are what Kubernetes says of an object, or of the application, the latest first. */
export function Events({ reference }: { reference?: ResourceRef }) {
  const { key } = useApplication();
  const events = useQuery(`events:${key.namespace}/${key.name}:${reference?.uid ?? ''}${reference?.name ?? ''}`, () => applications.events(key, reference), { every: 10000 });
  return (
    <Loaded query={events} what="the events">
      {(data) => {
        const items = [...(data.items ?? [])].sort((a, b) => timeOf(b).localeCompare(timeOf(a)));
        if (items.length === 0) return <Empty title="No events">Kubernetes keeps events for about an hour.</Empty>;
        return (
          <ul className="events">
            {items.map((event, i) => (
              <li key={event.metadata.uid ?? i}>
                <p className="row wrap">
                  <span className={event.type === 'Warning' ? 'strong tone-bad' : 'strong'}>{event.type === 'Warning' ? `Warning: ${event.reason}` : event.reason}</span>
                  {(event.count ?? 1) > 1 && <span className="muted small">{event.count} times</span>}
                  <span className="muted small">
                    <Time at={timeOf(event)} both />
                  </span>
                </p>
                <p>{event.message}</p>
              </li>
            ))}
          </ul>
        );
      }}
    </Loaded>
  );
}
