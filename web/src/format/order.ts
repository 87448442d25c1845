/**
 * naturalKey makes a text that compares as people order names: without regard to case, numbers by their value. Comparing two
 * keys costs a fraction of a collator's comparison; names of Kubernetes have no letters that would need one.
 */
export function naturalKey(text: string): string {
  const lower = text.toLowerCase();
  return /\d/.test(lower) ? lower.replace(/\d+/g, (digits) => digits.replace(/^0+(?=\d)/, '').padStart(12, '0')) : lower;
}

/** compareKeys orders two keys. */
export const compareKeys = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
