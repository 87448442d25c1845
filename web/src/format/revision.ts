import type { PlanCounts } from '../api/types';

/** short is how a revision is shown: seven digits of a SHA, a digest's beginning, a version as it is. */
export function short(revision: string): string {
  if (/^[0-9a-f]{40}$|^[0-9a-f]{64}$/.test(revision)) return revision.slice(0, 7);
  const digest = /^sha256:([0-9a-f]{64})$/.exec(revision);
  return digest?.[1] ? digest[1].slice(0, 12) : revision;
}

/** image splits "host/team/web:1.4@sha256:..." into its last name and its version. */
export function image(reference: string): { name: string; version: string } {
  const [path = '', digest] = reference.split('@');
  const last = path.slice(path.lastIndexOf('/') + 1);
  const colon = last.indexOf(':');
  if (colon >= 0) return { name: last.slice(0, colon), version: last.slice(colon + 1) };
  return { name: last, version: digest ? short(digest) : 'latest' };
}

/** repository shortens the address of a repository to what tells it apart. */
export function repository(repoURL: string): string {
  return repoURL.replace(/^[a-z+]+:\/\//, '').replace(/^[^/@]+@/, '').replace(/\.git$/, '');
}

export const total = (counts: PlanCounts) => counts.create + counts.update + counts.delete;

/** plural says "1 change" and "4 changes". */
export const plural = (count: number, noun: string, more = noun + 's') => `${count} ${count === 1 ? noun : more}`;
