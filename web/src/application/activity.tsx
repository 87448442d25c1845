import { ActivityFeed } from '../activity/feed';
import { useApplication } from './data';

export default function ActivityPage() {
  const { key } = useApplication();
  return <ActivityFeed query={{ application: key.name, namespace: key.namespace }} />;
}
