import { lazy, Suspense, useEffect, useRef, useState, type ReactNode } from 'react';
import { Link, useLocation } from 'wouter';
import { applyTheme, preferences, usePreferences, type Theme } from '../state/preferences';
import { useFleet } from '../state/fleet';
import { useSession } from '../state/session';
import { Icon } from './icon';
import { useShortcuts } from './keyboard';

const Palette = lazy(() => import('./palette'));
const ShortcutHelp = lazy(() => import('./shortcut-help'));

const links = [
  { to: '/', title: 'Deployments', match: /^\/($|applications)/ },
  { to: '/timeline', title: 'Timeline', match: /^\/timeline/ },
  { to: '/compare', title: 'Compare', match: /^\/compare/ },
  { to: '/settings/projects', title: 'Projects', match: /^\/settings\/projects/ },
  { to: '/settings/clusters', title: 'Clusters', match: /^\/settings\/clusters/ },
  { to: '/settings/repos', title: 'Repositories', match: /^\/settings\/repos/ },
  { to: '/settings/accounts', title: 'Accounts', match: /^\/settings\/accounts/ },
];

/** Shell is what surrounds every page: where one is, where one can go, and the search that is everywhere. */
export function Shell({ children }: { children: ReactNode }) {
  const [location, navigate] = useLocation();
  const [palette, setPalette] = useState(false);
  const [help, setHelp] = useState(false);
  const [menu, setMenu] = useState(false);
  const main = useRef<HTMLElement>(null);
  const { live } = useFleet();

  useShortcuts({
    'mod+k': () => setPalette(true),
    '?': () => setHelp(true),
    'g d': () => navigate('/'),
    'g t': () => navigate('/timeline'),
    'g c': () => navigate('/compare'),
    'g p': () => navigate('/settings/projects'),
    'g l': () => navigate('/settings/clusters'),
    'g r': () => navigate('/settings/repos'),
  });
  useEffect(() => setMenu(false), [location]);

  return (
    <div className="shell">
      <a className="skip" href="#main" onClick={(event) => { event.preventDefault(); main.current?.focus(); }}>
        Skip to content
      </a>
      <header className="topbar">
        <Link to="/" className="brand" aria-label="Belay: deployments">
          <svg viewBox="0 0 32 32" width="24" height="24" aria-hidden="true">
            <rect width="32" height="32" rx="7" className="brand-mark" />
            <path d="M10 7v18M10 7h7a4.5 4.5 0 0 1 0 9h-7m0 0h8a4.5 4.5 0 0 1 0 9h-8" className="brand-line" />
          </svg>
          <span>Belay</span>
        </Link>
        <nav className={menu ? 'nav open' : 'nav'} aria-label="Pages" id="pages">
          {links.map((link) => (
            <Link key={link.to} to={link.to} className="nav-link" aria-current={link.match.test(location) ? 'page' : undefined}>
              {link.title}
            </Link>
          ))}
        </nav>
        <div className="row topbar-end">
          {!live && (
            <span className="status tone-warn" role="status" title="The live stream is interrupted; it is being resumed.">
              <Icon name="warning" />
              <span className="wide-only">Reconnecting</span>
            </span>
          )}
          <button type="button" className="button small search-button" onClick={() => setPalette(true)} aria-label="Search and commands" aria-keyshortcuts="Control+K Meta+K">
            <Icon name="search" />
            <span className="wide-only">Search</span>
            <kbd className="wide-only">Ctrl K</kbd>
          </button>
          <UserMenu onHelp={() => setHelp(true)} />
          <button type="button" className="button plain small menu-button" aria-expanded={menu} aria-controls="pages" aria-label="Pages" onClick={() => setMenu(!menu)}>
            <Icon name={menu ? 'close' : 'menu'} />
          </button>
        </div>
      </header>
      <main id="main" ref={main} tabIndex={-1} className="main">
        {children}
      </main>
      <Suspense fallback={null}>
        {palette && <Palette onClose={() => setPalette(false)} onHelp={() => setHelp(true)} />}
        {help && <ShortcutHelp onClose={() => setHelp(false)} />}
      </Suspense>
    </div>
  );
}

function UserMenu({ onHelp }: { onHelp: () => void }) {
  const { me, signOut } = useSession();
  const { theme } = usePreferences();
  const details = useRef<HTMLDetailsElement>(null);
  useEffect(() => {
    const close = (event: Event) => {
      const menu = details.current;
      if (!menu?.open) return;
      if (event instanceof KeyboardEvent ? event.key === 'Escape' : !menu.contains(event.target as Node)) menu.open = false;
    };
    document.addEventListener('pointerdown', close);
    document.addEventListener('keydown', close);
    return () => {
      document.removeEventListener('pointerdown', close);
      document.removeEventListener('keydown', close);
    };
  }, []);
  const name = me.username || 'anonymous';
  return (
    <details className="menu" ref={details}>
      <summary className="button plain small" aria-label={`Account: ${name}`}>
        <Icon name="user" />
        <span className="wide-only truncate user-name">{name}</span>
      </summary>
      <div className="menu-panel stack">
        <div>
          <p className="strong truncate">{name}</p>
          {me.groups && me.groups.length > 0 && <p className="muted small">{me.groups.join(', ')}</p>}
        </div>
        <label className="row spread">
          Theme
          <select
            className="input"
            value={theme}
            onChange={(event) => {
              const chosen = event.target.value as Theme;
              preferences.set({ theme: chosen });
              applyTheme(chosen);
            }}
          >
            <option value="system">As the system</option>
            <option value="light">Light</option>
            <option value="dark">Dark</option>
          </select>
        </label>
        <Link to="/user-info" onClick={() => details.current && (details.current.open = false)}>
          Who I am
        </Link>
        <button type="button" className="button" onClick={() => { if (details.current) details.current.open = false; onHelp(); }}>
          Keyboard shortcuts
        </button>
        {me.loggedIn ? (
          <button type="button" className="button" onClick={() => void signOut()}>
            Sign out
          </button>
        ) : (
          <Link className="button" to="/login">
            Sign in
          </Link>
        )}
      </div>
    </details>
  );
}
