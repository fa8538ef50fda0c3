// suggest.js: the word that was meant, as base/suggest.c finds it.
const WORD_MAX = 40;

/** Insert, delete, replace, or swap two neighbours: one step each. */
const distance = (a, b) => {
  if (a.length > WORD_MAX || b.length > WORD_MAX) return Infinity;
  let before = [], last = [], now = [];
  for (let j = 0; j <= b.length; j++) last[j] = j;
  for (let i = 1; i <= a.length; i++) {
    now[0] = i;
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      now[j] = Math.min(last[j] + 1, now[j - 1] + 1, last[j - 1] + cost);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        now[j] = Math.min(now[j], before[j - 2] + 1);
      }
    }
    [before, last, now] = [last, now, before];
  }
  return last[b.length];
};

/** The nearest of the words that are near enough; the first of equals. */
export const nearest = (typed, words) => {
  let best, least = Infinity;
  for (const word of words) {
    const near = word.length <= 3 ? 1 : word.length <= 6 ? 2 : Math.floor(word.length / 3);
    if (Math.abs(word.length - typed.length) > near) continue;
    const steps = distance(typed, word);
    if (steps <= near && steps < least) [best, least] = [word, steps];
  }
  return best;
};
