/**
 * rankText says how well text matches a query: 0 not at all. Every word of the query must be found; one at the beginning of a
 * word counts more, and letters in order count a little ("cci prd" finds callcenter-ai-prod).
 */
export function rankText(query: string, text: string): number {
  let score = 0;
  for (const word of query.split(/\s+/).filter(Boolean)) {
    const at = text.indexOf(word);
    if (at === 0) score += 100;
    else if (at > 0) score += /[a-z0-9]/.test(text[at - 1] ?? '') ? 30 : 60;
    else if (inOrder(word, text)) score += 5;
    else return 0;
  }
  return score;
}

function inOrder(word: string, text: string): boolean {
  let at = 0;
  for (const letter of word) {
    at = text.indexOf(letter, at) + 1;
    if (at === 0) return false;
  }
  return true;
}
