import { useEffect, useId, useMemo, useState } from 'react';
import { useLocation } from 'wouter';
import { search } from '../api/endpoints';
import type { SearchHit } from '../api/types';
import { useDeployments } from '../state/fleet';
import { preferences } from '../state/preferences';
import { appPath, resourcePath } from '../state/paths';
import { Dialog } from './dialog';
import { rankText } from './rank';

interface Entry {
  id: string;
  title: string;
  detail: string;
  group: string;
  run: () => void;
}

const most = 40;

export default function Palette({ onClose, onHelp }: { onClose: () => void; onHelp: () => void }) {
  const [text, setText] = useState('');
  const [active, setActive] = useState(0);
  const [, navigate] = useLocation();
  const { rows } = useDeployments();
  const hits = useSearch(text);
  const listId = useId();

  const commands = useMemo<Entry[]>(() => {
    const page = (title: string, to: string): Entry => ({ id: to, title, detail: 'Page', group: 'Pages', run: () => navigate(to) });
    return [
      page('Deployments', '/'),
      page('Timeline', '/timeline'),
      page('Compare environments', '/compare'),
      page('Projects', '/settings/projects'),
      page('Clusters', '/settings/clusters'),
      page('Repositories', '/settings/repos'),
      page('Accounts', '/settings/accounts'),
      page('What needs attention', '/?sync=OutOfSync'),
      page('Degraded applications', '/?health=Degraded'),
      { id: 'help', title: 'Keyboard shortcuts', detail: 'Help', group: 'Pages', run: onHelp },
    ];
  }, [navigate, onHelp]);

  const entries = useMemo<Entry[]>(() => {
    const query = text.trim().toLowerCase();
    const apps: Entry[] = [];
    const toApp = (namespace: string, name: string, detail: string, group: string): Entry => ({
      id: `${group}:${namespace}/${name}`,
      title: name,
      detail,
      group,
      run: () => navigate(appPath({ namespace, name })),
    });
    if (!query) {
      const recent = preferences.read().recent;
      for (const key of recent) {
        const row = rows.find((each) => `${each.namespace}/${each.name}` === key);
        if (row) apps.push(toApp(row.namespace, row.name, `${row.project} · ${row.environment}`, 'Visited last'));
      }
      return [...apps, ...commands];
    }
    const scored = rows
      .map((row) => ({ row, score: rankText(query, `${row.name} ${row.service} ${row.environment}`.toLowerCase()) }))
      .filter((each) => each.score > 0)
      .sort((a, b) => b.score - a.score || a.row.name.length - b.row.name.length)
      .slice(0, 12);
    for (const { row } of scored) {
      const detail = `${row.project} · ${row.environment || row.destNamespace || ''}`;
      apps.push(toApp(row.namespace, row.name, detail, 'Applications'));
      if (scored.length <= 3) {
        if (row.can?.includes('sync')) apps.push({ id: `sync:${row.namespace}/${row.name}`, title: `Review and sync ${row.name}`, detail: 'Action', group: 'Actions', run: () => navigate(appPath(row, 'review')) });
        apps.push({ id: `history:${row.namespace}/${row.name}`, title: `History of ${row.name}`, detail: 'Action', group: 'Actions', run: () => navigate(appPath(row, 'history')) });
      }
    }
    const pages = commands.filter((entry) => rankText(query, entry.title.toLowerCase()) > 0);
    const found = hits
      .filter((hit) => hit.kind !== 'Application')
      .map((hit, i): Entry => ({
        id: `hit:${i}`,
        title: hit.name,
        detail: [hit.kind, hit.namespace, hit.application && `of ${hit.application}`, hit.text].filter(Boolean).join(' · '),
        group: 'Found on the server',
        run: () => navigate(resourcePath(hit)),
      }));
    return [...apps.filter((entry) => entry.group === 'Applications'), ...apps.filter((entry) => entry.group === 'Actions'), ...pages, ...found].slice(0, most);
  }, [text, rows, commands, hits, navigate]);

  useEffect(() => setActive(0), [text]);
  const chosen = Math.min(active, Math.max(0, entries.length - 1));

  const run = (entry: Entry | undefined) => {
    if (!entry) return;
    onClose();
    entry.run();
  };

  return (
    <Dialog title="Search and commands" onClose={onClose}>
      <div className="palette">
        <input
          className="input palette-input"
          role="combobox"
          aria-label="Search applications, resources, images and commits"
          aria-expanded="true"
          aria-controls={listId}
          aria-activedescendant={entries[chosen] ? `${listId}-${chosen}` : undefined}
          placeholder="Application, pod, image, commit, or a command"
          autoFocus
          value={text}
          onChange={(event) => setText(event.target.value)}
          onKeyDown={(event) => {
            if (event.key === 'ArrowDown') setActive(Math.min(chosen + 1, entries.length - 1));
            else if (event.key === 'ArrowUp') setActive(Math.max(chosen - 1, 0));
            else if (event.key === 'Enter') run(entries[chosen]);
            else return;
            event.preventDefault();
          }}
        />
        <ul role="listbox" id={listId} aria-label="Results" className="palette-list">
          {entries.map((entry, i) => (
            <li
              key={entry.id}
              id={`${listId}-${i}`}
              role="option"
              aria-selected={i === chosen}
              ref={i === chosen ? (element) => element?.scrollIntoView({ block: 'nearest' }) : undefined}
              onClick={() => run(entry)}
            >
              <span className="truncate">{entry.title}</span>
              <span className="muted small truncate">{entry.detail}</span>
            </li>
          ))}
        </ul>
        {entries.length === 0 && (
          <p className="muted palette-none" role="status">
            Nothing matches “{text}”.
          </p>
        )}
      </div>
    </Dialog>
  );
}

function useSearch(text: string): SearchHit[] {
  const [hits, setHits] = useState<SearchHit[]>([]);
  useEffect(() => {
    const query = text.trim();
    setHits([]);
    if (query.length < 2) return;
    const abort = new AbortController();
    const timer = setTimeout(() => {
      search(query, abort.signal).then(
        (result) => setHits(result.items ?? []),
        () => {
          // The list of applications is searched without the server.
        },
      );
    }, 150);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [text]);
  return hits;
}
