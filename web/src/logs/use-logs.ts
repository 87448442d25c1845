import { useEffect, useState } from 'react';
import { open } from '../api/client';
import { applications, type AppKey } from '../api/endpoints';
import type { ResourceRef } from '../api/types';
import { LineSplitter, LogBuffer, parseEntry, type LogLine } from './lines';

export interface LogQuery {
  container: string;
  follow: boolean;
  previous: boolean;
  tail: number;
}

interface Logs {
  lines: readonly LogLine[];
  error: string;
  /** Whether more lines may come. */
  open: boolean;
}

const every = 250;

/** useLogs reads the logs of a pod, or of all pods of a workload. A hidden tab gives its connection up. */
export function useLogs(key: AppKey, ref: ResourceRef, query: LogQuery): Logs {
  const [logs, setLogs] = useState<Logs>({ lines: [], error: '', open: true });
  const [visible, setVisible] = useState(document.visibilityState === 'visible');
  useEffect(() => {
    const listener = () => setVisible(document.visibilityState === 'visible');
    document.addEventListener('visibilitychange', listener);
    return () => document.removeEventListener('visibilitychange', listener);
  }, []);
  const paused = query.follow && !visible;

  useEffect(() => {
    if (paused) return;
    const abort = new AbortController();
    const buffer = new LogBuffer();
    let error = '';
    let fresh = false;
    const show = (isOpen: boolean) => setLogs({ lines: buffer.read(), error, open: isOpen });
    show(true);
    const timer = setInterval(() => {
      if (fresh) show(true);
      fresh = false;
    }, every);
    const isPod = ref.kind === 'Pod';
    const read = async () => {
      const response = await open('GET', applications.logsPath(key), {
        signal: abort.signal,
        params: {
          appNamespace: key.namespace,
          namespace: ref.namespace,
          ...(isPod ? { podName: ref.name } : { group: ref.group, kind: ref.kind, resourceName: ref.name }),
          container: query.container,
          follow: query.follow,
          previous: query.previous,
          tailLines: query.tail,
        },
      });
      const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
      const splitter = new LineSplitter();
      const take = (lines: string[]) => {
        const parsed = lines.map(parseEntry);
        buffer.add(parsed.flatMap((each) => each.entry ?? []));
        error = parsed.find((each) => each.error)?.error ?? error;
        fresh ||= parsed.length > 0;
      };
      for (;;) {
        const piece = await reader?.read();
        if (!piece || piece.done) break;
        take(splitter.push(piece.value));
      }
      take(splitter.end());
    };
    read()
      .catch((failure: Error) => {
        if (!abort.signal.aborted) error = failure.message;
      })
      .finally(() => {
        clearInterval(timer);
        if (!abort.signal.aborted) show(false);
      });
    return () => {
      clearInterval(timer);
      abort.abort();
    };
  }, [key.namespace, key.name, ref.kind, ref.group, ref.namespace, ref.name, query.container, query.follow, query.previous, query.tail, paused]);

  return logs;
}
