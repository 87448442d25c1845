import { Link } from 'wouter';
import { Viewer } from '../logs/viewer';
import { useTitle } from '../components/title';
import { appPath } from '../state/paths';
import { useQueryString } from '../state/url';

interface Props {
  namespace: string;
  name: string;
  podNamespace: string;
  container: string;
}

/** LogsPage is the log on a page of its own, at Argo CD's address. */
export default function LogsPage({ namespace, name, podNamespace, container }: Props) {
  const [params] = useQueryString();
  const pod = params.get('podName') ?? '';
  const reference = { group: params.get('group') ?? '', kind: pod ? 'Pod' : (params.get('kind') ?? 'Pod'), namespace: podNamespace, name: pod || (params.get('name') ?? ''), version: 'v1' };
  useTitle(`Logs of ${reference.name || container}`);
  return (
    <div className="page full">
      <div className="row wrap">
        <h1>Logs of {reference.name || container}</h1>
        <Link to={appPath({ namespace, name })}>{name}</Link>
      </div>
      <Viewer appKey={{ namespace, name }} reference={reference} initial={container === 'undefined' ? '' : container} />
    </div>
  );
}
