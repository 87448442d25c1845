import type { Deployment } from '../api/types';

/** What a stream needs of its surroundings; a test gives its own. */
export interface StreamHost {
  open(cursor: string): EventSource;
  hidden(): boolean;
  onVisibility(listener: () => void): () => void;
}

export interface StreamSink {
  upsert(row: Deployment): void;
  remove(key: { namespace: string; name: string }): void;
  /** resync loads everything again and returns where the stream goes on from. */
  resync(): Promise<string>;
  connected(yes: boolean): void;
}

const hiddenAfter = 1000;
const retryAfter = 3000;

/**
 * Stream is the one live connection of a tab. A browser permits six connections to a host over HTTP/1.1: a hidden tab gives
 * its own up, and goes on from where it was when it is seen again.
 */
export class Stream {
  private source: EventSource | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private stopped = false;
  private unwatch: () => void;

  constructor(
    private readonly sink: StreamSink,
    private readonly host: StreamHost,
    private cursor: string,
  ) {
    this.unwatch = host.onVisibility(() => this.visibility());
    if (!host.hidden()) this.connect();
  }

  stop(): void {
    this.stopped = true;
    this.unwatch();
    clearTimeout(this.timer);
    this.close();
  }

  private visibility(): void {
    clearTimeout(this.timer);
    if (this.host.hidden()) this.timer = setTimeout(() => this.close(), hiddenAfter);
    else if (!this.source) this.connect();
  }

  private close(): void {
    this.source?.close();
    this.source = undefined;
  }

  private connect(): void {
    const source = this.host.open(this.cursor);
    this.source = source;
    source.onopen = () => this.sink.connected(true);
    source.onerror = () => {
      this.sink.connected(false);
      // A browser goes on by itself unless the server refused.
      if (source.readyState === 2 && this.source === source) this.again();
    };
    source.addEventListener('deployment', (event) => {
      this.note(event);
      this.sink.upsert(JSON.parse(event.data as string) as Deployment);
    });
    source.addEventListener('deleted', (event) => {
      this.note(event);
      this.sink.remove(JSON.parse(event.data as string) as { namespace: string; name: string });
    });
    source.addEventListener('resync', (event) => {
      this.note(event);
      this.close();
      void this.reload();
    });
  }

  private note(event: MessageEvent): void {
    if (event.lastEventId) this.cursor = event.lastEventId;
  }

  private again(): void {
    this.close();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.reload(), retryAfter);
  }

  private async reload(): Promise<void> {
    try {
      this.cursor = await this.sink.resync();
    } catch {
      if (!this.stopped) this.again();
      return;
    }
    if (!this.stopped && !this.source && !this.host.hidden()) this.connect();
  }
}
