import { lazy } from 'react';
import { Redirect } from 'wouter';

const ProjectsPage = lazy(() => import('../settings/projects'));
const ClustersPage = lazy(() => import('../settings/clusters'));
const RepositoriesPage = lazy(() => import('../settings/repositories'));
const AccountsPage = lazy(() => import('../settings/accounts'));
const HelpPage = lazy(() => import('./help'));
const NotFoundPage = lazy(() => import('./not-found'));

/** SettingsPages are at the addresses where Argo CD has its own. */
export default function SettingsPages({ page, name }: { page: string; name: string }) {
  switch (page) {
    case '':
      return <Redirect to="/settings/projects" replace />;
    case 'projects':
      return <ProjectsPage name={name} />;
    case 'clusters':
      return <ClustersPage />;
    case 'repos':
      return <RepositoriesPage />;
    case 'accounts':
      return <AccountsPage name={name} />;
    case 'certs':
    case 'gpgkeys':
    case 'appearance':
    case 'advanced':
      return <HelpPage page={page} />;
    default:
      return <NotFoundPage />;
  }
}
