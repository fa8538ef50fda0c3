// points.mjs: which faults there are, what each may lead to, and in which order they are tried.

const kind = (name, call, more = {}) => ({
  name, call, times: 1, allowed: [], whole: "served", ...more, tries: more.times ?? 1,
});

// `allowed`: the problem codes that a request may answer; `lost`: it may end a commit whose outcome
// is then unknown; `kills`: it ends the daemon by itself; `silent`: an answer may be missing.
const kinds = [
  kind("count", "none"),
  kind("alloc", "alloc", { allowed: ["out_of_memory"], silent: true }),
  kind("sqlite-alloc", "sqlite-alloc", { allowed: ["out_of_memory"], lost: true }),
  kind("write-full", "write", { allowed: ["disk_full"] }),
  kind("write-full:6", "write", { allowed: ["disk_full"], times: 6 }),
  kind("write-ro:6", "write", { allowed: ["storage_read_only"], times: 6 }),
  kind("write-io", "write", { allowed: ["store_io"], lost: true }),
  kind("sync-io", "sync", { allowed: ["store_io"], lost: true }),
  kind("truncate-io", "truncate", { allowed: ["store_io"], lost: true }),
  kind("open-ro", "open", { allowed: ["storage_read_only"] }),
  kind("open-io", "open", { allowed: ["store_io"] }),
  kind("read-io", "read", { allowed: ["store_io", "store_corrupt"], lost: true }),
  kind("map-io", "map", { allowed: ["out_of_memory", "store_io"], lost: true }),
  kind("rename-io", "rename"),
  kind("unlink-io", "unlink"),
  // After a write is before the next one, or before a sync.
  ...["write-kill", "write-torn", "sync-kill", "sync-done", "truncate-kill",
    "truncate-done", "unlink-kill", "rename-kill", "rename-done", "open-done"].map((name) =>
    kind(name, name.split("-")[0], { kills: true }),
  ),
];

export const KINDS = Object.fromEntries(kinds.map((kind) => [kind.name, kind]));
export const CLI_KINDS = Object.fromEntries(
  kinds.map((kind) => [kind.name, { ...kind, whole: "done" }]),
);

const GOLDEN = (Math.sqrt(5) - 1) / 2;

/** The numbers 1 to total, each once, by a stride that fills the range evenly from the start on. */
export function* strides(total, offset) {
  const seen = new Set();
  for (let i = 0, at = offset; seen.size < total && i < 40 * total; i++, at = (at + GOLDEN) % 1) {
    const n = 1 + Math.floor(at * total);
    if (!seen.has(n)) {
      seen.add(n);
      yield n;
    }
  }
  for (let n = 1; n <= total; n++) if (!seen.has(n)) yield n;
}

/** A function that hands out points, a kind after the other, until the time is over. */
export function points(list, offset, seconds) {
  const only = process.env.DROVER_FAULT_ONLY;
  if (only) list = onlyThis(list, only);
  const all = process.env.DROVER_TEST_ALL || (only && !process.env.DROVER_FAULT_SECONDS);
  const stopAt = all ? Infinity : Date.now() + seconds * 1000;
  const open = list.map((entry) => {
    return { entry, numbers: entry.numbers ?? strides(entry.total, offset) };
  });
  let at = 0;
  return () => {
    while (open.length > 0 && Date.now() < stopAt) {
      at %= open.length;
      const { entry, numbers } = open[at];
      const { done, value } = numbers.next();
      if (!done) {
        at++;
        const name = entry.kind.name.split(":")[0];
        return { ...entry, fault: `${name}:${value}:${entry.kind.times}` };
      }
      open.splice(at, 1);
    }
    return undefined;
  };
}

/** `only` is KIND:N@SCENE or KIND:N:TIMES@SCENE, or KIND@SCENE for all points of it. */
function onlyThis(list, only) {
  const [, name, , n, times, scene] = /^([^:@]+)(:(\d+)(?::(\d+))?)?@(\w+)$/.exec(only);
  return list
    .filter(({ kind, scene: other }) => kind.name.split(":")[0] === name && other === scene)
    .filter(({ kind }) => n === undefined || kind.times === Number(times ?? 1))
    .map((entry) => (n === undefined ? entry : { ...entry, numbers: [Number(n)].values() }));
}
