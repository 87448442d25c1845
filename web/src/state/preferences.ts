import { useSyncExternalStore } from 'react';

export type Theme = 'system' | 'light' | 'dark';

interface Preferences {
  theme: Theme;
  favourites: string[];
  recent: string[];
}

const storageKey = 'belay.preferences';
const defaults: Preferences = { theme: 'system', favourites: [], recent: [] };

/** PreferenceStore keeps what a person chose in this browser. A browser that refuses storage forgets it with the tab. */
export class PreferenceStore {
  private value: Preferences;
  private listeners = new Set<() => void>();

  constructor(private readonly storage: Pick<Storage, 'getItem' | 'setItem'> | undefined) {
    this.value = defaults;
    try {
      const stored = JSON.parse(storage?.getItem(storageKey) ?? '{}') as Partial<Preferences>;
      this.value = {
        theme: stored.theme === 'light' || stored.theme === 'dark' ? stored.theme : 'system',
        favourites: Array.isArray(stored.favourites) ? stored.favourites.map(String) : [],
        recent: Array.isArray(stored.recent) ? stored.recent.map(String) : [],
      };
    } catch {
      // What is stored is not ours: start anew.
    }
  }

  read = () => this.value;

  subscribe = (listener: () => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  set(change: Partial<Preferences>): void {
    this.value = { ...this.value, ...change };
    try {
      this.storage?.setItem(storageKey, JSON.stringify(this.value));
    } catch {
      // Full or forbidden.
    }
    for (const listener of this.listeners) listener();
  }

  toggleFavourite(key: string): void {
    const { favourites } = this.value;
    this.set({ favourites: favourites.includes(key) ? favourites.filter((each) => each !== key) : [...favourites, key] });
  }

  visited(key: string): void {
    this.set({ recent: [key, ...this.value.recent.filter((each) => each !== key)].slice(0, 8) });
  }
}

function storage(): Storage | undefined {
  try {
    return window.localStorage;
  } catch {
    return undefined;
  }
}

export const preferences = new PreferenceStore(storage());

export const usePreferences = () => useSyncExternalStore(preferences.subscribe, preferences.read);

/** applyTheme marks the document; "system" leaves the choice to the browser. */
export function applyTheme(theme: Theme): void {
  if (theme === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}
