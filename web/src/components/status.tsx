import { Icon, type IconName } from './icon';

interface Look {
  icon: IconName;
  tone: 'good' | 'bad' | 'warn' | 'busy' | 'rest';
  label: string;
  spin?: boolean;
}

const health: Record<string, Look> = {
  Healthy: { icon: 'healthy', tone: 'good', label: 'Healthy' },
  Progressing: { icon: 'progressing', tone: 'busy', label: 'Progressing', spin: true },
  Degraded: { icon: 'degraded', tone: 'bad', label: 'Degraded' },
  Suspended: { icon: 'suspended', tone: 'rest', label: 'Suspended' },
  Missing: { icon: 'missing', tone: 'warn', label: 'Missing' },
};

const sync: Record<string, Look> = {
  Synced: { icon: 'synced', tone: 'good', label: 'Synced' },
  OutOfSync: { icon: 'outOfSync', tone: 'warn', label: 'Out of sync' },
};

const operation: Record<string, Look> = {
  Running: { icon: 'running', tone: 'busy', label: 'Syncing', spin: true },
  Terminating: { icon: 'running', tone: 'warn', label: 'Terminating', spin: true },
  Failed: { icon: 'failed', tone: 'bad', label: 'Sync failed' },
  Error: { icon: 'failed', tone: 'bad', label: 'Sync error' },
  Succeeded: { icon: 'check', tone: 'good', label: 'Succeeded' },
};

const unknown = (label: string): Look => ({ icon: 'unknown', tone: 'rest', label });

function Mark({ look, compact = false, what }: { look: Look; compact?: boolean; what: string }) {
  return (
    <span className={`status tone-${look.tone}`} title={compact ? `${what}: ${look.label}` : undefined}>
      <Icon name={look.icon} spin={look.spin ?? false} />
      {compact ? <span className="visually-hidden">{look.label}</span> : look.label}
    </span>
  );
}

export const Health = ({ status, compact }: { status: string | undefined; compact?: boolean }) => (
  <Mark look={health[status ?? ''] ?? unknown('Health unknown')} compact={compact ?? false} what="Health" />
);

export const Sync = ({ status, compact }: { status: string | undefined; compact?: boolean }) => (
  <Mark look={sync[status ?? ''] ?? unknown('Sync unknown')} compact={compact ?? false} what="Sync" />
);

export const Operation = ({ phase, compact }: { phase: string | undefined; compact?: boolean }) =>
  phase ? <Mark look={operation[phase] ?? unknown(phase)} compact={compact ?? false} what="Last operation" /> : null;

/** Connection says whether a cluster or a repository is reached. */
export function Connection({ status }: { status: string | undefined }) {
  if (status === 'Successful') return <Mark look={{ icon: 'healthy', tone: 'good', label: 'Connected' }} what="Connection" />;
  if (status === 'Failed') return <Mark look={{ icon: 'failed', tone: 'bad', label: 'Failed' }} what="Connection" />;
  return <Mark look={unknown(status && status !== 'Unknown' ? status : 'Not tried yet')} what="Connection" />;
}

export const healthTone = (status: string | undefined) => health[status ?? '']?.tone ?? 'rest';
