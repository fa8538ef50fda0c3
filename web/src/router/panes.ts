/** What an address says of panes that stand side by side. The place of the first one is the address
 *  itself; each further one is a parameter `beside=`, and `wide=40,60` are their widths in percent
 *  where somebody changed them. All of this is pure. */
export const PANES_MAX = 4;
export const WIDE_MIN = 15;
const OURS = ["beside", "wide"];
/** Addresses are read as those of some host: which one, nobody asks. */
export const ORIGIN = "http://here";

export interface Panes {
  /** Addresses, the first pane's first. */
  places: string[];
  /** null: all are as wide as each other. */
  wide: readonly number[] | null;
}

/** A path that begins with two slashes would be another host's address. */
export const textOf = (
  { pathname, search, hash }: Pick<URL, "pathname" | "search" | "hash">,
): string => pathname.replace(/^\/+/, "/") + search + hash;

/** Without what it says of others. */
export function placeOnly(address: string): string {
  const url = new URL(address, ORIGIN);
  if (!OURS.some((name) => url.searchParams.has(name))) return address;
  OURS.forEach((name) => url.searchParams.delete(name));
  return textOf(url);
}

function besideOf(given: string, isPlace: (path: string) => boolean): string | null {
  // Another host, or no address at all. Of tabs and line feeds URL would make nothing.
  if (!/^\/(?![/\\])[^\t\n\r]*$/.test(given)) return null;
  const url = new URL(given, ORIGIN);
  return isPlace(url.pathname) ? placeOnly(textOf(url)) : null;
}

function widthsOf(given: string | null, count: number): number[] | null {
  const widths = (given ?? "").split(",").map(Number);
  const fits = (one: number): boolean => Number.isInteger(one) && one >= WIDE_MIN;
  const sum = widths.reduce((all, one) => all + one, 0);
  return count > 1 && widths.length === count && widths.every(fits) && sum === 100 ? widths : null;
}

/** What is no place of ours is left out, and so is a fifth. */
export function panesOf(address: string, isPlace: (path: string) => boolean): Panes {
  const { searchParams } = new URL(address, ORIGIN);
  const others = searchParams.getAll("beside")
    .flatMap((one) => besideOf(one, isPlace) ?? []).slice(0, PANES_MAX - 1);
  const places = [placeOnly(address), ...others];
  return { places, wide: widthsOf(searchParams.get("wide"), places.length) };
}

export function addressOf({ places: [first = "/", ...others], wide }: Panes): string {
  if (others.length === 0) return first;
  const url = new URL(first, ORIGIN);
  others.forEach((one) => url.searchParams.append("beside", one));
  if (wide !== null) url.searchParams.set("wide", wide.join());
  return textOf(url);
}

/** For each place the index of that which goes on there; -1: it is new. What stays where it was
 *  goes on, then what moved, then whatever is left. */
export function seated(before: readonly string[], after: readonly string[]): number[] {
  const found = after.map(() => -1);
  const passes: ((at: number, one: number) => boolean)[] = [
    (at, one) => at === one && before[one] === after[at],
    (at, one) => before[one] === after[at],
    (at, one) => at === one,
    () => true,
  ];
  for (const fits of passes) {
    for (const at of after.keys()) {
      if (found[at] !== -1) continue;
      const free = [...before.keys()].filter((one) => !found.includes(one));
      found[at] = free.find((one) => fits(at, one)) ?? -1;
    }
  }
  return found;
}
