import { Link } from 'wouter';
import type { Project, ProjectRole, SyncWindow } from '../api/argocd';
import { settings } from '../api/endpoints';
import { Empty, Loaded } from '../components/parts';
import { Time } from '../components/time';
import { useTitle } from '../components/title';
import { compareText } from '../deployments/order';
import { plural } from '../format/revision';
import { useDeployments } from '../state/fleet';
import { useQuery } from '../state/query';

export default function ProjectsPage({ name }: { name: string }) {
  return name ? <ProjectPage name={name} /> : <ProjectList />;
}

function ProjectList() {
  const projects = useQuery('projects', settings.projects);
  const { rows } = useDeployments();
  useTitle('Projects');
  const counts = new Map<string, number>();
  for (const row of rows) counts.set(row.project, (counts.get(row.project) ?? 0) + 1);
  return (
    <div className="page stack">
      <h1>Projects</h1>
      <Loaded query={projects} what="the projects">
        {(data) => {
          const items = [...(data.items ?? [])].sort((a, b) => compareText(a.metadata.name, b.metadata.name));
          if (items.length === 0) return <Empty title="No project that you may see" />;
          return (
            <div className="scroll-x" tabIndex={0} role="group" aria-label="Projects">
              <table className="table">
                <thead>
                  <tr>
                    <th>Project</th>
                    <th>Applications</th>
                    <th>Roles</th>
                    <th>Sync windows</th>
                    <th>Repositories</th>
                  </tr>
                </thead>
                <tbody>
                  {items.map((project) => (
                    <tr key={project.metadata.name}>
                      <td>
                        <Link to={`/settings/projects/${encodeURIComponent(project.metadata.name)}`} className="strong">
                          {project.metadata.name}
                        </Link>
                        {project.spec.description && <p className="muted small">{project.spec.description}</p>}
                      </td>
                      <td>
                        <Link to={`/?proj=${encodeURIComponent(project.metadata.name)}`} aria-label={`${counts.get(project.metadata.name) ?? 0} applications of ${project.metadata.name}`}>
                          {counts.get(project.metadata.name) ?? 0}
                        </Link>
                      </td>
                      <td>{project.spec.roles?.length ?? 0}</td>
                      <td>{project.spec.syncWindows?.length ?? 0}</td>
                      <td className="small mono">{project.spec.sourceRepos?.slice(0, 3).join(', ') || 'none'}{(project.spec.sourceRepos?.length ?? 0) > 3 && ' …'}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          );
        }}
      </Loaded>
    </div>
  );
}

function ProjectPage({ name }: { name: string }) {
  const project = useQuery(`project:${name}`, () => settings.project(name));
  useTitle(`Project ${name}`);
  return (
    <div className="page stack">
      <p className="small">
        <Link to="/settings/projects">Projects</Link>
      </p>
      <h1>{name}</h1>
      <Loaded query={project} what={`project ${name}`}>
        {(data) => (
          <div className="details">
            {data.spec.description && <p>{data.spec.description}</p>}
            <Allowed project={data} />
            <section className="card stack" aria-label="Roles">
              <h2>{plural(data.spec.roles?.length ?? 0, 'role')}</h2>
              {data.spec.roles?.map((role) => <Role key={role.name} role={role} />)}
              {!data.spec.roles?.length && <p className="muted">None: who may do what is in argocd-rbac-cm alone.</p>}
            </section>
            <section className="card stack" aria-label="Sync windows">
              <h2>{plural(data.spec.syncWindows?.length ?? 0, 'sync window')}</h2>
              {data.spec.syncWindows?.map((window, i) => <Window key={i} window={window} />)}
              {!data.spec.syncWindows?.length && <p className="muted">None: syncs are permitted at any time.</p>}
            </section>
          </div>
        )}
      </Loaded>
    </div>
  );
}

function Allowed({ project }: { project: Project }) {
  const { spec } = project;
  const kinds = (list: { group: string; kind: string }[] | undefined) => list?.map((each) => (each.group ? `${each.group}/${each.kind}` : each.kind));
  return (
    <section className="card stack" aria-label="What is allowed">
      <h2>What is allowed</h2>
      <dl className="facts">
        <dt>Repositories</dt>
        <dd>
          <Values values={spec.sourceRepos} none="none" />
        </dd>
        <dt>Destinations</dt>
        <dd>
          <Values values={spec.destinations?.map((each) => `${each.name || each.server || '*'} / ${each.namespace || '*'}`)} none="none" />
        </dd>
        <dt>Cluster-wide kinds</dt>
        <dd>
          <Values values={kinds(spec.clusterResourceWhitelist)} none="none" />
          {spec.clusterResourceBlacklist?.length ? <p>but not {kinds(spec.clusterResourceBlacklist)?.join(', ')}</p> : null}
        </dd>
        <dt>Namespaced kinds</dt>
        <dd>
          <Values values={kinds(spec.namespaceResourceWhitelist)} none="all" />
          {spec.namespaceResourceBlacklist?.length ? <p>but not {kinds(spec.namespaceResourceBlacklist)?.join(', ')}</p> : null}
        </dd>
        {spec.sourceNamespaces?.length ? (
          <>
            <dt>Applications in</dt>
            <dd>
              <Values values={spec.sourceNamespaces} none="" />
            </dd>
          </>
        ) : null}
      </dl>
    </section>
  );
}

function Values({ values, none }: { values: readonly string[] | undefined; none: string }) {
  if (!values?.length) return <span className="muted">{none}</span>;
  return (
    <ul>
      {values.map((value) => (
        <li key={value} className="mono">
          {value}
        </li>
      ))}
    </ul>
  );
}

function Role({ role }: { role: ProjectRole }) {
  return (
    <article className="stack tight sub" aria-label={`Role ${role.name}`}>
      <h3>{role.name}</h3>
      {role.description && <p className="muted">{role.description}</p>}
      {role.groups && role.groups.length > 0 && <p>Groups: {role.groups.join(', ')}</p>}
      <Policies policies={role.policies ?? []} />
      {role.jwtTokens && role.jwtTokens.length > 0 && (
        <ul>
          {role.jwtTokens.map((token) => (
            <li key={token.iat} className="small">
              Token {token.id || ''} issued <Time at={new Date(token.iat * 1000).toISOString()} both />
              {token.exp ? (
                <>
                  , ends <Time at={new Date(token.exp * 1000).toISOString()} both />
                </>
              ) : (
                ', never ends'
              )}
            </li>
          ))}
        </ul>
      )}
    </article>
  );
}

/** Policies shows lines such as "p, proj:a:b, applications, sync, a/*, allow" as a table. */
function Policies({ policies }: { policies: readonly string[] }) {
  if (policies.length === 0) return <p className="muted">May do nothing.</p>;
  return (
    <div className="scroll-x" tabIndex={0} role="group" aria-label="Policies">
      <table className="table">
        <thead>
          <tr>
            <th>May</th>
            <th>Action</th>
            <th>Resource</th>
            <th>Object</th>
          </tr>
        </thead>
        <tbody>
          {policies.map((policy, i) => {
            const [, , resource, action, object, effect] = policy.split(',').map((part) => part.trim());
            return (
              <tr key={i}>
                <td className={effect === 'deny' ? 'tone-bad' : 'tone-good'}>{effect === 'deny' ? 'denied' : 'allowed'}</td>
                <td>{action}</td>
                <td>{resource}</td>
                <td className="mono">{object}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

function Window({ window }: { window: SyncWindow }) {
  return (
    <article className="stack tight sub" aria-label={`Sync window ${window.schedule}`}>
      <h3 className="row wrap">
        <span className={window.kind === 'deny' ? 'tone-bad' : 'tone-good'}>{window.kind === 'deny' ? 'Denied' : 'Allowed'}</span>
        <code>{window.schedule}</code> for {window.duration} {window.timeZone && <span className="muted small">{window.timeZone}</span>}
      </h3>
      {window.description && <p>{window.description}</p>}
      <p className="muted small">
        {[
          window.applications?.length && `applications ${window.applications.join(', ')}`,
          window.namespaces?.length && `namespaces ${window.namespaces.join(', ')}`,
          window.clusters?.length && `clusters ${window.clusters.join(', ')}`,
          window.manualSync ? 'syncs by hand are permitted' : '',
        ]
          .filter(Boolean)
          .join('; ')}
      </p>
    </article>
  );
}
