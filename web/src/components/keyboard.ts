import { useEffect, useRef } from 'react';

const isTyping = (target: EventTarget | null) =>
  target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));

const chordWithin = 1200;

/**
 * useShortcuts binds keys for as long as the component is shown. "g d" is a chord; "mod+k" is Ctrl or Cmd. Keys without a
 * modifier do nothing while somebody types, or while a dialog is open.
 */
export function useShortcuts(bindings: Record<string, () => void>): void {
  const current = useRef(bindings);
  current.current = bindings;
  useEffect(() => {
    let first = '';
    let at = 0;
    const listener = (event: KeyboardEvent) => {
      const mod = event.ctrlKey || event.metaKey;
      if (event.altKey) return;
      if (!mod && (isTyping(event.target) || document.querySelector('dialog[open]'))) return;
      const key = mod ? `mod+${event.key.toLowerCase()}` : event.key;
      const chord = first && event.timeStamp - at < chordWithin ? `${first} ${key}` : '';
      const binding = (chord && current.current[chord]) || current.current[key];
      first = mod ? '' : key;
      at = event.timeStamp;
      if (!binding) return;
      event.preventDefault();
      first = '';
      binding();
    };
    window.addEventListener('keydown', listener);
    return () => window.removeEventListener('keydown', listener);
  }, []);
}
