import { useEffect, useState } from 'react';
import { useLocation } from 'wouter';
import type { Settings } from '../api/argocd';
import { url } from '../api/client';
import { session } from '../api/endpoints';
import { useTitle } from '../components/title';

/** safeReturn accepts only a path of this site, so that a link cannot send somebody elsewhere after signing in. */
export function safeReturn(target: string | null, base: string): string {
  if (!target) return '/';
  try {
    const here = new URL(base);
    const there = new URL(target, here);
    if (there.origin !== here.origin || !there.pathname.startsWith(here.pathname)) return '/';
    return '/' + there.pathname.slice(here.pathname.length) + there.search;
  } catch {
    return '/';
  }
}

export function LoginPage({ signedIn, onSignedIn }: { signedIn: boolean; onSignedIn: () => Promise<void> }) {
  const [location, navigate] = useLocation();
  const [settings, setSettings] = useState<Settings>({});
  const [username, setUsername] = useState('');
  const [password, setPassword] = useState('');
  const [error, setError] = useState('');
  const [busy, setBusy] = useState(false);
  useTitle('Sign in');

  const isLoginPage = location === '/login';
  const target = isLoginPage ? safeReturn(new URLSearchParams(window.location.search).get('return_url'), document.baseURI) : '';

  useEffect(() => {
    session.settings().then(setSettings, () => {
      // Without settings the page offers a local account, which the server accepts or refuses.
    });
  }, []);
  useEffect(() => {
    if (signedIn && isLoginPage) navigate(target, { replace: true });
  }, [signedIn, isLoginPage, target, navigate]);

  const submit = async () => {
    setBusy(true);
    setError('');
    try {
      await session.signIn(username, password);
      await onSignedIn();
      if (isLoginPage) navigate(target, { replace: true });
    } catch (failure) {
      setError((failure as Error).message);
      setPassword('');
    } finally {
      setBusy(false);
    }
  };

  const provider = settings.oidcConfig?.name || (settings.oidcConfig ? 'single sign-on' : settings.dexConfig?.connectors?.[0]?.name);
  return (
    <main className="alone">
      <div className="card login stack">
        <h1>Sign in to Belay</h1>
        {provider && (
          <a className="button primary" href={url('/auth/login', { return_url: url(isLoginPage ? target : location + window.location.search) })}>
            Sign in with {provider}
          </a>
        )}
        {!settings.userLoginsDisabled && (
          <form
            className="stack"
            onSubmit={(event) => {
              event.preventDefault();
              void submit();
            }}
          >
            <label className="field">
              Username
              <input className="input" name="username" autoComplete="username" autoCapitalize="none" autoFocus required value={username} onChange={(event) => setUsername(event.target.value)} />
            </label>
            <label className="field">
              Password
              <input className="input" name="password" type="password" autoComplete="current-password" required value={password} onChange={(event) => setPassword(event.target.value)} />
            </label>
            {error && (
              <p className="note bad" role="alert">
                {error}
              </p>
            )}
            <button type="submit" className={provider ? 'button' : 'button primary'} disabled={busy}>
              {busy ? 'Signing in…' : 'Sign in'}
            </button>
          </form>
        )}
      </div>
    </main>
  );
}
