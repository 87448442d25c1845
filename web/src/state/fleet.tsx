import { createContext, useContext, useEffect, useMemo, useState, useSyncExternalStore, type ReactNode } from 'react';
import { url } from '../api/client';
import { deployments } from '../api/endpoints';
import type { Deployment, DeploymentList } from '../api/types';
import { DeploymentStore, type Snapshot } from './deployments';
import { Stream } from './stream';

interface Fleet {
  store: DeploymentStore;
  live: boolean;
  reload(): Promise<string>;
}

let early: Promise<DeploymentList> | undefined;

/** loadEarly asks for the deployments while the page finds out who looks at it; whoever has not signed in gets an error in place. */
export function loadEarly(): void {
  early = deployments.list();
  early.catch(() => undefined);
}

/** forgetEarly is called when somebody signs in: what was asked for before was another one's. */
export function forgetEarly(): void {
  early = undefined;
}

function firstList(): Promise<DeploymentList> {
  const list = early ?? deployments.list();
  early = undefined;
  return list.catch(() => deployments.list());
}

const FleetContext = createContext<Fleet | undefined>(undefined);

const browser = {
  open: (cursor: string) => new EventSource(url('/api/belay/v1/stream', { cursor })),
  hidden: () => document.visibilityState === 'hidden',
  onVisibility: (listener: () => void) => {
    document.addEventListener('visibilitychange', listener);
    return () => document.removeEventListener('visibilitychange', listener);
  },
};

/** FleetProvider loads all deployments once, and keeps them current through the tab's one stream. */
export function FleetProvider({ children }: { children: ReactNode }) {
  const [store] = useState(() => new DeploymentStore());
  const [live, setLive] = useState(true);
  const fleet = useMemo<Fleet>(
    () => ({
      store,
      live,
      reload: async () => {
        const list = await deployments.list();
        store.replace(list);
        return list.cursor;
      },
    }),
    [store, live],
  );

  useEffect(() => {
    let stream: Stream | undefined;
    let stopped = false;
    const load = async () => {
      const list = await deployments.list();
      store.replace(list);
      return list.cursor;
    };
    const start = async () => {
      try {
        const list = await firstList();
        store.replace(list);
        const cursor = list.cursor;
        if (stopped) return;
        stream = new Stream({ upsert: (row) => store.upsert(row), remove: (key) => store.remove(key), resync: load, connected: setLive }, browser, cursor);
      } catch (error) {
        if (!stopped) store.fail(error as Error);
      }
    };
    void start();
    return () => {
      stopped = true;
      stream?.stop();
    };
  }, [store]);

  return <FleetContext value={fleet}>{children}</FleetContext>;
}

export function useFleet(): Fleet {
  const fleet = useContext(FleetContext);
  if (!fleet) throw new Error('useFleet is used outside FleetProvider');
  return fleet;
}

export function useDeployments(): Snapshot {
  const { store } = useFleet();
  return useSyncExternalStore(store.subscribe, store.read);
}

/** useDeployment returns one row, and draws again only when that row changes. */
export function useDeployment(namespace: string, name: string): Deployment | undefined {
  const { store } = useFleet();
  return useSyncExternalStore(store.subscribe, () => store.get(namespace, name));
}
