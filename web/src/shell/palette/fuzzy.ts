/** How well a text answers what somebody typed. Pure. */

const isWordStart = (text: string, at: number): boolean =>
  at === 0 || /[\s/_.:·-]/.test(text.charAt(at - 1));

/** Letters of a word in their order, from one place on: those that begin words or follow the letter
 *  before count more. -1: they are not all there. */
function from(word: string, text: string, start: number): number {
  let points = 0;
  let last = start - 1;
  for (const letter of word) {
    const next = text.indexOf(letter, last + 1);
    if (next < 0) return -1;
    if (next === last + 1 && next > start) points += 3;
    else if (isWordStart(text, next)) points += 4;
    else points += 1;
    last = next;
  }
  return points + (isWordStart(text, start) ? 2 : 0) - (last - start) / 100;
}

function word(wanted: string, text: string): number {
  let best = -1;
  for (let at = text.indexOf(wanted.charAt(0)); at >= 0;
    at = text.indexOf(wanted.charAt(0), at + 1)) best = Math.max(best, from(wanted, text, at));
  return best;
}

/** null: it does not. Each word of the query must be there; more is better. */
export function score(query: string, text: string): number | null {
  const lower = text.toLowerCase();
  let sum = 0;
  for (const wanted of query.toLowerCase().split(/\s+/).filter((one) => one !== "")) {
    const points = word(wanted, lower);
    if (points < 0) return null;
    sum += points;
  }
  return sum;
}
