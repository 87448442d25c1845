import { Link } from 'wouter';
import { Empty } from '../components/parts';
import { useTitle } from '../components/title';

export default function NotFoundPage() {
  useTitle('Not found');
  return (
    <div className="page">
      <h1>Not found</h1>
      <Empty title="There is no page at this address">
        <p>
          Go to <Link to="/">all deployments</Link>, or search with Ctrl K.
        </p>
      </Empty>
    </div>
  );
}
