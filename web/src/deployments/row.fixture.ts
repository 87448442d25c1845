import type { Deployment } from '../api/types';

/** row is a deployment that is well, for tests. */
export function row(change: Partial<Deployment>): Deployment {
  return {
    name: 'shop-dev',
    namespace: 'argocd',
    project: 'retail',
    service: 'shop',
    environment: 'dev',
    repoURL: 'https://git.example.com/deploy.git',
    sync: 'Synced',
    health: 'Healthy',
    operation: 'Succeeded',
    pending: { create: 0, update: 0, delete: 0 },
    autoSync: true,
    selfHeal: false,
    prune: false,
    created: null,
    can: [],
    ...change,
  };
}
