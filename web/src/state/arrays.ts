/** Arrays that are never changed: a copy has the difference. */
export const withAt = <T>(list: readonly T[], at: number, value: T): T[] => {
  const copy = [...list];
  copy[at] = value;
  return copy;
};

export const withInserted = <T>(list: readonly T[], at: number, value: T): T[] =>
  [...list.slice(0, at), value, ...list.slice(at)];

export function lastIndexOf<T>(list: readonly T[], fits: (value: T) => boolean): number {
  for (let at = list.length - 1; at >= 0; at--) if (fits(list[at]!)) return at;
  return -1;
}

/** The first items up to this many that count, and all that stand between them. */
export function firstOf<T>(items: readonly T[], counts: (item: T) => boolean, max: number):
readonly T[] {
  const rest = items.filter(counts)[max];
  return rest === undefined ? items : items.slice(0, items.indexOf(rest));
}
