/** The order of the rows of sessions. Pure. */

interface Placed { id: string; changed_ms: number; fork_of: string | null }

/** Changed last first, a fork below what it is a fork of, if that is there, too. `placed`: ids in
 *  the order in which they stand and are to stay; new ones come after them. */
export function inOrder<T extends Placed>(
  items: readonly T[], placed?: readonly string[],
): { row: T; isBelow: boolean }[] {
  const sorted = [...items].sort((a, b) => b.changed_ms - a.changed_ms);
  const there = new Set(items.map(({ id }) => id));
  const below = new Map<string, T[]>();
  const isBelow = ({ id, fork_of }: T): boolean => fork_of !== null && fork_of !== id &&
    there.has(fork_of);
  for (const row of sorted.filter(isBelow)) {
    const root = row.fork_of ?? "";
    below.set(root, [...below.get(root) ?? [], row]);
  }
  const rows: { row: T; isBelow: boolean }[] = [];
  const add = (row: T, under: boolean): void => {
    rows.push({ row, isBelow: under });
    for (const fork of below.get(row.id) ?? []) add(fork, true);
  };
  for (const row of sorted) if (!isBelow(row)) add(row, false);
  if (placed === undefined) return rows;
  const places = new Map(placed.map((id, place) => [id, place]));
  const at = ({ id }: T): number => places.get(id) ?? placed.length;
  return rows.sort((a, b) => at(a.row) - at(b.row));
}
