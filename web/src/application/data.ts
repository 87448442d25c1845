import { createContext, useCallback, useContext, useMemo, useRef, useState } from 'react';
import type { Application, ResourceTree } from '../api/argocd';
import { applications, type AppKey } from '../api/endpoints';
import type { Deployment, Verb } from '../api/types';
import { useQuery, type Query } from '../state/query';

export interface ApplicationData {
  key: AppKey;
  row: Deployment | undefined;
  application: Query<Application>;
  tree: Query<ResourceTree>;
  /** Whether an operation runs, or is about to. */
  running: boolean;
  refreshing: boolean;
  can(verb: Verb): boolean;
  reload(): void;
  refresh(how: 'normal' | 'hard'): void;
  problem: string;
}

export const ApplicationContext = createContext<ApplicationData | undefined>(undefined);

export function useApplication(): ApplicationData {
  const data = useContext(ApplicationContext);
  if (!data) throw new Error('useApplication is used outside of an application');
  return data;
}

export const isRunning = (application: Application | undefined) =>
  Boolean(application && (application.operation || application.status?.operationState?.phase === 'Running' || application.status?.operationState?.phase === 'Terminating'));

/**
 * useApplicationData loads an application and its tree, again when its row in the live stream changes, and more often while
 * an operation runs. A change of pods alone moves no row: a slow poll covers that.
 */
export function useApplicationData(key: AppKey, row: Deployment | undefined): ApplicationData {
  const id = `${key.namespace}/${key.name}`;
  const [refreshing, setRefreshing] = useState(false);
  const [problem, setProblem] = useState('');
  const busy = row?.operation === 'Running' || row?.operation === 'Terminating' || row?.health === 'Progressing';
  const [fast, setFast] = useState(false);
  const every = busy || fast ? 2000 : 15000;
  // The row that comes with the list tells nothing new; one that follows it does.
  const first = useRef<Deployment>(undefined);
  first.current ??= row;
  const moved = row === first.current ? undefined : row;
  const application = useQuery(`application:${id}`, () => applications.get(key), { every, also: moved });
  const tree = useQuery(`tree:${id}`, () => applications.tree(key), { every, also: moved });
  const running = isRunning(application.data);
  if (running !== fast) setFast(running);

  const { reload: reloadApplication } = application;
  const { reload: reloadTree } = tree;
  const reload = useCallback(() => {
    reloadApplication();
    reloadTree();
  }, [reloadApplication, reloadTree]);

  const refresh = useCallback(
    (how: 'normal' | 'hard') => {
      setRefreshing(true);
      setProblem('');
      applications
        .get({ namespace: key.namespace, name: key.name }, how)
        .then(reload, (error: Error) => setProblem(error.message))
        .finally(() => setRefreshing(false));
    },
    [key.namespace, key.name, reload],
  );

  return useMemo(
    () => ({ key, row, application, tree, running, refreshing, problem, reload, refresh, can: (verb: Verb) => row?.can?.includes(verb) ?? false }),
    // key is made anew with every drawing; its two parts are not.
    // eslint-disable-next-line react-hooks/exhaustive-deps
    [key.namespace, key.name, row, application.data, application.error, application.loading, tree.data, tree.error, tree.loading, running, refreshing, problem, reload, refresh],
  );
}
