const paths = {
  check: 'M3 8.5 6.5 12 13 4.5',
  healthy: 'M8 1.8a6.2 6.2 0 1 0 0 12.4A6.2 6.2 0 0 0 8 1.8M5.2 8.2l2 2 3.6-4',
  progressing: 'M8 1.8a6.2 6.2 0 1 1-6.2 6.2',
  degraded: 'M8 1.5 14.5 8 8 14.5 1.5 8zM8 5v3.6M8 11v.1',
  suspended: 'M2 2h12v12H2zM6 5.5v5M10 5.5v5',
  missing: 'M8 1.8a6.2 6.2 0 1 0 0 12.4A6.2 6.2 0 0 0 8 1.8M4 12 12 4',
  unknown: 'M8 1.8a6.2 6.2 0 1 0 0 12.4A6.2 6.2 0 0 0 8 1.8M6.2 6.2a1.8 1.8 0 1 1 2.6 1.6c-.6.3-.8.6-.8 1.2M8 11.2v.1',
  synced: 'M2.5 8.5 5.5 12 11 5M8.5 11l1 1L14 6.5',
  outOfSync: 'M3 6h10M3 10h10M11 2.5 5 13.5',
  failed: 'M5 1.8h6L14.2 5v6L11 14.2H5L1.8 11V5zM5.8 5.8l4.4 4.4M10.2 5.8l-4.4 4.4',
  running: 'M8 2v3M8 11v3M2 8h3M11 8h3M3.8 3.8l2 2M10.2 10.2l2 2M3.8 12.2l2-2M10.2 5.8l2-2',
  search: 'M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9M10.4 10.4 14 14',
  star: 'm8 1.8 1.9 4 4.3.6-3.1 3 .8 4.4L8 11.7l-3.9 2.1.8-4.4-3.1-3 4.3-.6z',
  menu: 'M2 4h12M2 8h12M2 12h12',
  close: 'm3.5 3.5 9 9M12.5 3.5l-9 9',
  right: 'm6 3 5 5-5 5',
  down: 'm3 6 5 5 5-5',
  copy: 'M5.5 5.5v-3h8v8h-3M2.5 5.5h8v8h-8z',
  external: 'M6 3H3v10h10v-3M9 2.5h4.5V7M13.5 2.5 7.5 8.5',
  refresh: 'M13.5 5A6 6 0 1 0 14 8M13.5 2v3.2h-3.2',
  warning: 'M8 2 14.8 13.8H1.2zM8 6.5v3.2M8 11.7v.1',
  plus: 'M8 3v10M3 8h10',
  minus: 'M3 8h10',
  pencil: 'M3 13l.7-3 7-7L13 5.3l-7 7z',
  restart: 'M2.5 8a5.5 5.5 0 1 0 2-4.2M4.8 1v3h3',
  user: 'M8 2a3 3 0 1 0 0 6 3 3 0 0 0 0-6M2.5 14c.5-3 2.8-4.2 5.5-4.2s5 1.2 5.5 4.2',
  box: 'M8 1.5 14 4.8v6.4L8 14.5 2 11.2V4.8zM2 4.8 8 8l6-3.2M8 8v6.5',
  filter: 'M2 3h12L9.5 8.5V13l-3-1.5v-3z',
  undo: 'M5.5 3 2.5 6l3 3M2.5 6H10a3.5 3.5 0 0 1 0 7H6',
} as const;

export type IconName = keyof typeof paths;

export function Icon({ name, spin = false, fill = false }: { name: IconName; spin?: boolean; fill?: boolean }) {
  return (
    <svg className={spin ? 'icon spin' : 'icon'} viewBox="0 0 16 16" aria-hidden="true" focusable="false" {...(fill ? { fill: 'currentColor' } : {})}>
      <path d={paths[name]} fill={fill ? 'currentColor' : undefined} />
    </svg>
  );
}
