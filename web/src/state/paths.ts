import type { AppKey } from '../api/endpoints';
import type { ResourceRef, SearchHit } from '../api/types';

type AppPage = '' | 'review' | 'history' | 'timeline' | 'operation' | 'details';

/** appPath is the address of an application's page; Argo CD's own address is the overview's. */
export function appPath(key: AppKey, page: AppPage = ''): string {
  const path = `/applications/${encodeURIComponent(key.namespace)}/${encodeURIComponent(key.name)}`;
  return page ? `${path}/${page}` : path;
}

/** nodeParam is how Argo CD writes a resource into the address: group/kind/namespace/name/container index. */
export const nodeParam = (ref: ResourceRef) => [ref.group ?? '', ref.kind, ref.namespace ?? '', ref.name, '0'].join('/');

/** parseNode reads it back. */
export function parseNode(text: string | null): ResourceRef | undefined {
  const parts = (text ?? '').split('/');
  const [group = '', kind, namespace = '', name] = parts;
  return kind && name ? { group, kind, namespace, name } : undefined;
}

export function resourcePath(hit: SearchHit): string {
  if (!hit.application) return `/?search=${encodeURIComponent(hit.name)}`;
  const path = appPath({ namespace: hit.applicationNamespace ?? '', name: hit.application });
  const kinds = /^(image|commit|application)$/i;
  return kinds.test(hit.kind) ? path : `${path}?node=${encodeURIComponent(nodeParam({ kind: hit.kind, name: hit.name, namespace: hit.namespace ?? '' }))}`;
}

/**
 * legacyTarget maps the query of an old link to an application (operation=true, rollback=0, deploy=all, ...) to the page that
 * answers it now; undefined when the overview does.
 */
export function legacyTarget(params: URLSearchParams): string | undefined {
  if (params.get('deploy') !== null) {
    const revision = params.get('revision');
    return 'review' + (revision ? `?revision=${encodeURIComponent(revision)}` : '');
  }
  if (params.get('rollback') !== null) return 'history';
  if (params.get('operation') === 'true') return 'operation';
  if (params.get('tab') === 'parameters' || (params.get('tab') === 'summary' && !params.get('node'))) return 'details';
  return undefined;
}
