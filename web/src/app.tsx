import { lazy, Suspense, useCallback, useEffect, useMemo, useState } from 'react';
import { Redirect, Route, Switch, useLocation } from 'wouter';
import { onSignedOut } from './api/client';
import { session as sessions } from './api/endpoints';
import type { Me } from './api/types';
import { Failure, Loading } from './components/parts';
import { Shell } from './components/shell';
import { DeploymentsPage } from './pages/deployments';
import { LoginPage } from './pages/login';
import { FleetProvider, forgetEarly } from './state/fleet';
import { SessionContext } from './state/session';

const ApplicationPages = lazy(() => import('./pages/application'));
const LogsPage = lazy(() => import('./pages/logs'));
const TimelinePage = lazy(() => import('./pages/timeline'));
const ComparePage = lazy(() => import('./pages/compare'));
const SettingsPages = lazy(() => import('./pages/settings'));
const SearchPage = lazy(() => import('./pages/search'));
const HelpPage = lazy(() => import('./pages/help'));
const NotFoundPage = lazy(() => import('./pages/not-found'));

type State = { me?: Me; error?: Error };

export function App() {
  const [state, setState] = useState<State>({});
  const [location, navigate] = useLocation();

  const load = useCallback(async () => {
    try {
      setState({ me: await sessions.me() });
    } catch (error) {
      if ((error as { status?: number }).status === 401) setState({ me: { loggedIn: false, canCreate: false } });
      else setState({ error: error as Error });
    }
  }, []);
  const signedIn = useCallback(() => {
    forgetEarly();
    return load();
  }, [load]);
  useEffect(() => void load(), [load]);
  useEffect(() => onSignedOut(() => setState({ me: { loggedIn: false, canCreate: false } })), []);

  const context = useMemo(
    () => ({
      me: state.me ?? { loggedIn: false, canCreate: false },
      signOut: async () => {
        await sessions.signOut().catch(() => undefined);
        setState({ me: { loggedIn: false, canCreate: false } });
        navigate('/login');
      },
    }),
    [state.me, navigate],
  );

  if (state.error) {
    return (
      <main className="alone">
        <Failure error={state.error} what="Belay" retry={() => void load()} />
      </main>
    );
  }
  if (!state.me) return <Loading what="Belay" />;
  // Anonymous callers that the server permits have a name.
  const known = state.me.loggedIn || Boolean(state.me.username);
  if (!known || location === '/login') return <LoginPage signedIn={state.me.loggedIn} onSignedIn={signedIn} />;

  return (
    <SessionContext value={context}>
      <FleetProvider key={state.me.username}>
        <Shell>
          <Suspense fallback={<Loading what="the page" />}>
            <Pages />
          </Suspense>
        </Shell>
      </FleetProvider>
    </SessionContext>
  );
}

function Pages() {
  return (
    <Switch>
      <Route path="/">
        <DeploymentsPage />
      </Route>
      <Route path="/applications">
        <DeploymentsPage />
      </Route>
      <Route path="/applications/:namespace/:name/:podNamespace/:container/logs">{(params) => <LogsPage {...params} />}</Route>
      <Route path="/applications/:namespace/:name/:page">{(params) => <ApplicationPages namespace={params.namespace} name={params.name} page={params.page} />}</Route>
      <Route path="/applications/:namespace/:name">{(params) => <ApplicationPages namespace={params.namespace} name={params.name} page="" />}</Route>
      <Route path="/applications/:name">{(params) => <ApplicationPages namespace="" name={params.name} page="" />}</Route>
      <Route path="/timeline">
        <TimelinePage />
      </Route>
      <Route path="/compare">
        <ComparePage />
      </Route>
      <Route path="/settings/:page?/:name?">{(params) => <SettingsPages page={params.page ?? ''} name={params.name ?? ''} />}</Route>
      <Route path="/resources">
        <SearchPage />
      </Route>
      <Route path="/search">
        <SearchPage />
      </Route>
      <Route path="/user-info">
        <HelpPage page="user" />
      </Route>
      <Route path="/help">
        <HelpPage page="help" />
      </Route>
      <Route path="/applicationsets/*?">
        <Redirect to="/" replace />
      </Route>
      <Route>
        <NotFoundPage />
      </Route>
    </Switch>
  );
}
