import { lazy, Suspense, useEffect } from 'react';
import { Link, Redirect, useLocation, useSearch } from 'wouter';
import { ApplicationHeader } from '../application/header';
import { ApplicationContext, useApplicationData } from '../application/data';
import { Overview } from '../application/overview';
import { useShortcuts } from '../components/keyboard';
import { Failure, Loading } from '../components/parts';
import { useTitle } from '../components/title';
import { keyOf } from '../state/deployments';
import { useDeployment, useDeployments } from '../state/fleet';
import { appPath, legacyTarget } from '../state/paths';
import { preferences } from '../state/preferences';

const ReviewPage = lazy(() => import('../application/review'));
const HistoryPage = lazy(() => import('../application/history'));
const OperationPage = lazy(() => import('../application/operation'));
const DetailsPage = lazy(() => import('../application/details'));
const ActivityPage = lazy(() => import('../application/activity'));

const tabs = [
  { page: '', title: 'Overview' },
  { page: 'history', title: 'History' },
  { page: 'timeline', title: 'Timeline' },
  { page: 'operation', title: 'Last sync' },
  { page: 'details', title: 'Details' },
] as const;

/** ApplicationPages shows what surrounds every page of one application, and the page. */
export default function ApplicationPages({ namespace, name, page }: { namespace: string; name: string; page: string }) {
  const params = new URLSearchParams(useSearch());
  const { loaded } = useDeployments();
  const row = useDeployment(namespace, name);
  const [, navigate] = useLocation();
  // An old link names no namespace: the row knows it.
  const key = { namespace: namespace || row?.namespace || '', name };
  const data = useApplicationData(key, row);
  useTitle(page ? `${name}: ${page}` : name);
  useEffect(() => {
    if (row) preferences.visited(keyOf(row));
  }, [row?.namespace, row?.name]);

  useShortcuts({
    r: () => row?.can?.includes('sync') && navigate(appPath(key, 'review')),
    h: () => navigate(appPath(key, 'history')),
    o: () => navigate(appPath(key)),
    f: () => data.refresh('normal'),
    s: () => row && preferences.toggleFavourite(keyOf(row)),
  });

  const target = page === '' ? legacyTarget(params) : undefined;
  if (target) return <Redirect to={`${appPath(key)}/${target}`} replace />;
  if (!namespace && !loaded) return <Loading what="the application" />;
  if (data.application.error && !data.application.data) {
    return (
      <div className="page">
        <h1>{name}</h1>
        <Failure error={data.application.error} what={`application ${name}`} retry={data.reload} />
      </div>
    );
  }

  return (
    <ApplicationContext value={data}>
      <div className="page full application">
        <ApplicationHeader />
        <nav className="tabs" aria-label="Application">
          {tabs.map((tab) => (
            <Link key={tab.page} className="tab" to={appPath(key, tab.page)} aria-current={tab.page === page ? 'page' : undefined}>
              {tab.title}
            </Link>
          ))}
          {page === 'review' && (
            <span className="tab" aria-current="page">
              {params.get('rollback') ? 'Review of a rollback' : 'Review and sync'}
            </span>
          )}
        </nav>
        <Suspense fallback={<Loading what="the page" />}>
          <Page page={page} />
        </Suspense>
      </div>
    </ApplicationContext>
  );
}

function Page({ page }: { page: string }) {
  switch (page) {
    case 'review':
      return <ReviewPage />;
    case 'history':
      return <HistoryPage />;
    case 'timeline':
      return <ActivityPage />;
    case 'operation':
      return <OperationPage />;
    case 'details':
      return <DetailsPage />;
    default:
      return <Overview />;
  }
}
