import type { LogEntry } from '../api/argocd';

export interface LogLine {
  number: number;
  pod: string;
  time: string;
  text: string;
}

/** LineSplitter cuts a stream of text into lines, whatever the pieces are. */
export class LineSplitter {
  private rest = '';

  push(piece: string): string[] {
    const lines = (this.rest + piece).split('\n');
    this.rest = lines.pop() ?? '';
    return lines;
  }

  end(): string[] {
    const last = this.rest;
    this.rest = '';
    return last ? [last] : [];
  }
}

/** parseEntry reads a line of Argo CD's stream of logs: JSON, or JSON as a server-sent event. */
export function parseEntry(line: string): { entry?: LogEntry; error?: string } {
  const text = line.startsWith('data:') ? line.slice(5).trim() : line.trim();
  if (!text || text.startsWith(':')) return {};
  try {
    const message = JSON.parse(text) as { result?: LogEntry; error?: { message?: string } | string };
    if (message.error) return { error: typeof message.error === 'string' ? message.error : (message.error.message ?? 'the log ended with an error') };
    return message.result && !message.result.last ? { entry: message.result } : {};
  } catch {
    return {};
  }
}

/** LogBuffer keeps the latest lines. */
export class LogBuffer {
  private lines: LogLine[] = [];
  private next = 1;

  constructor(private readonly limit = 50_000) {}

  add(entries: readonly LogEntry[]): void {
    for (const entry of entries) {
      for (const text of entry.content.split('\n')) this.lines.push({ number: this.next++, pod: entry.podName ?? '', time: entry.timeStampStr ?? '', text: stripColour(text) });
    }
    if (this.lines.length > this.limit) this.lines = this.lines.slice(-this.limit);
  }

  read(): readonly LogLine[] {
    return [...this.lines];
  }
}

const escape = /\u001b\[[0-9;]*[A-Za-z]/g;
const stripColour = (text: string) => text.replace(escape, '');

/** matchLines selects lines by a text; one that begins with ! takes the others. */
export function matchLines(lines: readonly LogLine[], filter: string): readonly LogLine[] {
  if (!filter) return lines;
  const negated = filter.startsWith('!');
  const wanted = (negated ? filter.slice(1) : filter).toLowerCase();
  return wanted ? lines.filter((line) => line.text.toLowerCase().includes(wanted) !== negated) : lines;
}

export type Level = 'error' | 'warn' | 'other';

/** levelOf guesses how serious a line is. */
export function levelOf(text: string): Level {
  if (/\b(error|fatal|panic|exception|traceback)\b|"level":"(error|fatal)"|level=(error|fatal)/i.test(text)) return 'error';
  if (/\bwarn(ing)?\b/i.test(text)) return 'warn';
  return 'other';
}
