import { Link } from 'wouter';
import { settings } from '../api/endpoints';
import { Connection } from '../components/status';
import { Empty, Loaded } from '../components/parts';
import { Time } from '../components/time';
import { useTitle } from '../components/title';
import { repository } from '../format/revision';
import { useDeployments } from '../state/fleet';
import { useQuery } from '../state/query';

export default function RepositoriesPage() {
  const repositories = useQuery('repositories', settings.repositories);
  const { rows } = useDeployments();
  useTitle('Repositories');
  return (
    <div className="page stack">
      <h1>Repositories</h1>
      <Loaded query={repositories} what="the repositories">
        {(data) =>
          data.items?.length ? (
            <div className="scroll-x" tabIndex={0} role="group" aria-label="Repositories">
              <table className="table">
                <thead>
                  <tr>
                    <th>Repository</th>
                    <th>Type</th>
                    <th>Connection</th>
                    <th>Project</th>
                    <th>Applications</th>
                  </tr>
                </thead>
                <tbody>
                  {data.items.map((item) => {
                    const count = rows.filter((row) => repository(row.repoURL) === repository(item.repo)).length;
                    return (
                      <tr key={`${item.project ?? ''}:${item.repo}`}>
                        <td>
                          <p className="strong">{item.name || repository(item.repo)}</p>
                          <p className="muted small mono">{item.repo}</p>
                        </td>
                        <td>{item.type || 'git'}</td>
                        <td>
                          <Connection status={item.connectionState?.status} />
                          {item.connectionState?.message && item.connectionState.status !== 'Successful' && <p className="small">{item.connectionState.message}</p>}
                          {item.connectionState?.attemptedAt && (
                            <p className="muted small">
                              <Time at={item.connectionState.attemptedAt} both />
                            </p>
                          )}
                        </td>
                        <td>{item.project || <span className="muted">all</span>}</td>
                        <td>
                          <Link to={`/?repo=${encodeURIComponent(repository(item.repo))}`} aria-label={`${count} applications from ${repository(item.repo)}`}>
                            {count}
                          </Link>
                        </td>
                      </tr>
                    );
                  })}
                </tbody>
              </table>
            </div>
          ) : (
            <Empty title="No repository is registered">Public repositories need no entry.</Empty>
          )
        }
      </Loaded>
    </div>
  );
}
