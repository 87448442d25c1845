import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { Router } from 'wouter';
import { App } from './app';
import { loadEarly } from './state/fleet';
import { applyTheme, preferences } from './state/preferences';
import './styles/tokens.css';
import './styles/base.css';
import './styles/layout.css';
import './styles/deployments.css';
import './styles/application.css';
import './styles/resources.css';
import './styles/manifest.css';
import './styles/review.css';
import './styles/narrow.css';

applyTheme(preferences.read().theme);
loadEarly();
const base = new URL(document.baseURI).pathname.replace(/\/$/, '');
createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <Router base={base}>
      <App />
    </Router>
  </StrictMode>,
);
