import { Link } from 'wouter';
import { settings } from '../api/endpoints';
import { Connection } from '../components/status';
import { Empty, Loaded } from '../components/parts';
import { Time } from '../components/time';
import { useTitle } from '../components/title';
import { destination } from '../deployments/filter';
import { useDeployments } from '../state/fleet';
import { useQuery } from '../state/query';

export default function ClustersPage() {
  const clusters = useQuery('clusters', settings.clusters, { every: 30000 });
  const { rows } = useDeployments();
  useTitle('Clusters');
  return (
    <div className="page stack">
      <h1>Clusters</h1>
      <Loaded query={clusters} what="the clusters">
        {(data) =>
          data.items?.length ? (
            <div className="scroll-x" tabIndex={0} role="group" aria-label="Clusters">
              <table className="table">
                <thead>
                  <tr>
                    <th>Cluster</th>
                    <th>Connection</th>
                    <th>Kubernetes</th>
                    <th>Applications</th>
                    <th>Namespaces</th>
                  </tr>
                </thead>
                <tbody>
                  {data.items.map((cluster) => {
                    const state = cluster.info?.connectionState ?? cluster.connectionState;
                    const count = rows.filter((row) => destination(row) === cluster.name || row.destServer === cluster.server).length;
                    return (
                      <tr key={cluster.server}>
                        <td>
                          <p className="strong">{cluster.name || cluster.server}</p>
                          <p className="muted small mono">{cluster.server}</p>
                        </td>
                        <td>
                          <Connection status={state?.status} />
                          {state?.message && state.status !== 'Successful' && <p className="small">{state.message}</p>}
                          {state?.attemptedAt && (
                            <p className="muted small">
                              <Time at={state.attemptedAt} both />
                            </p>
                          )}
                        </td>
                        <td>{cluster.info?.serverVersion || cluster.serverVersion || <span className="muted">unknown</span>}</td>
                        <td>
                          <Link to={`/?cluster=${encodeURIComponent(cluster.name || cluster.server)}`} aria-label={`${count} applications on ${cluster.name || cluster.server}`}>
                            {count}
                          </Link>
                        </td>
                        <td className="small">{cluster.namespaces?.join(', ') || 'all'}</td>
                      </tr>
                    );
                  })}
                </tbody>
              </table>
            </div>
          ) : (
            <Empty title="No cluster that you may see" />
          )
        }
      </Loaded>
    </div>
  );
}
