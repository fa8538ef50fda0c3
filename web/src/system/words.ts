/** Texts of the daemon's state: what is wrong, and what can be done. */
import { words as shell } from "../shell/words.ts";

const plural = (count: number, one: string, many = `${one}s`): string =>
  `${count.toLocaleString("en")} ${count === 1 ? one : many}`;

export const words = {
  title: "System",
  again: "Look again",
  readOnly: "Hold, damage, log and backup need the scope admin, which your key does not have.",
  verdicts: { ok: "fine", warn: "warning", fail: "failure" },
  findings: "Checks",
  fine: (count: number) => `${plural(count, "check")} found nothing wrong`,
  doctor: "Without a daemon, and for the disk, systemd, the sandbox and cgroups:",
  doctorCommand: "drover doctor",

  progress: "Progress", progressOk: "Every run goes on, or waits for something.",
  starts: "Starts",
  startsBad: (count: number, run: string) =>
    `The daemon crashed soon after its last ${plural(count, "start")}` +
    `${run === "" ? "" : `, at last at ${run}`}.`,
  startsDo: "Look into the log; stop the run that is to blame; then release the hold.",
  files: "Open files",
  filesOk: (used: string, limit: number) => `${used} of ${limit.toLocaleString("en")} in use.`,
  filesBad: (used: string, limit: number, seconds: number) =>
    `Nothing begins since ${seconds} s: no file descriptor is free, ${used} of ${limit} in use.`,
  filesDo: "Raise the limit of the service (LimitNOFILE=, ulimit -Hn) or of the system (fs.file-max).",
  size: "Data directory",
  sizeIs: (bytes: string, limit: string | null, free: string | null) =>
    `${bytes}${limit === null ? "" : ` of ${limit}`}${free === null ? "" : `; ${free} free on the disk`}.`,
  sizeFull: "It is full: no new run is taken.",
  sizeDo: "See what can be freed; --max-bytes of drover serve raises the limit.",
  sizeCommand: "drover du",
  pages: "Database",
  pagesBad: (count: number) => `${plural(count, "damaged page")} read since the start: requests that`
    + " need them fail.",
  pagesDo: "Stop the daemon and restore a backup.",
  pagesOk: "No damaged page was read since the start.",
  commits: "Commits",
  commitsBad: (count: number) => `About ${plural(count, "acknowledged commit")} missing: the`
    + " write-ahead log was damaged, or an older database was put in its place.",
  commitsDo: "Restore a newer backup, or accept the loss: release the hold.",
  mark: "Mark of commits",
  markBad: (count: number) => `drover.mark could not be written ${plural(count, "time")}: commits that`
    + " are lost now may not be missed at the next start.",
  markDo: "Look for a full or failing disk; restart the daemon where the file was removed.",
  folders: "Output of runs",
  foldersBad: (count: number) => `${plural(count, "folder")} of the spool belong to runs that the`
    + " database has lost.",
  foldersDo: "Copy the useful files: unknown folders are removed after a day. This names them:",
  foldersCommand: "drover doctor --deep",
  port: "Web pages",
  portBad: (port: number) => `Port ${port} of 127.0.0.1 is taken by another program.`,
  portDo: "End that program, and run drover open.",
  hold: "Hold", holdBad: "The daemon holds: nothing starts.",
  holdDo: "See below what would start, and release it.",
  agent: "Agent", agentBad: (name: string, state: string, why: string) =>
    `${name} is ${state}${why === "" ? "" : `: ${why}`}`,
  agentStates: { broken: "broken", not_logged_in: "not logged in" } as Record<string, string>,
  build: "Version", buildBad: "This page is of another version than the daemon.",
  buildDo: "Load the page again.",

  process: "Process",
  version: "Version", database: "Database", pid: "Process", started: "Started",
  startedBy: "Started by", service: "drover serve", startedAgo: (at: string) => at,
  jobsMax: "Commands at once", connectionsMax: "Connections", times: "Starts so far",
  signedIn: "You are", scopes: (owner: string, scopes: string) => `${owner}, with ${scopes}`,
  databases: { sqlite: "SQLite", postgres: "PostgreSQL" } as Record<string, string>,

  notHeld: "Nothing is held: runs start as they come.",
  held: "The daemon holds: it starts nothing and sends nothing until it is released.",
  restored: "It holds because the database was restored or copied: a job that was queued then may"
    + " have run since.",
  wouldStart: "A release would start", counts: shell.counts, nothing: "nothing now",
  queuedRuns: "Queued", againRuns: "Start again, beside the original if that still runs",
  release: "Release", releaseOf: "Release the hold", releaseSure: "Release: let all of it start",
  released: "Released.",

  damage: "Damaged rows",
  damageAbout: "Text that is no UTF-8, JSON that cannot be read, unknown words: such a row affects only"
    + " itself. A search reads the whole database, in nobody's way.",
  search: "Search the database", stop: "Stop",
  searching: (pages: number) => `searching… ${plural(pages, "part")} read`,
  noDamage: "All text and JSON can be read.",
  stopped: "Stopped before the end.",
  damaged: (count: number, more: boolean) =>
    `${plural(count, "column is", "columns are")} damaged${more ? "; the first are shown" : ""}.`,
  damageOf: (table: string, row: string) => `${table}, ${row}`,
  damageDo: "To remove the row, stop the daemon, run this, and start it again:",
  sqliteCommand: "sqlite3 -cmd '.dbconfig no_ckpt_on_close on' DIR/drover.db",
  sqliteAbout: "DIR is the data directory. With it, SQLite leaves the checksums of pages alone:",
  postgresAbout: "In psql:",
  copyRemove: "Copy the statement",

  hosts: "Hosts",
  noHosts: "The database is a file of this machine (SQLite): no other host shares it.",
  here: "this one", roles: { leader: "leader", standby: "standby" } as Record<string, string>,
  seen: (when: string) => `seen ${when}`,
  hostJobs: (count: number) => plural(count, "unfinished job"),
  remove: "Remove", removeOf: (name: string) => `Remove the host ${name}`,
  removeSure: "Give up its jobs and remove it",
  force: "Remove it although it may live", forceSure: "Its jobs may run twice: remove it",
  removed: (name: string, runs: number) =>
    `${name} is removed; ${plural(runs, "job was", "jobs were")} given up.`,

  log: "Log", logOf: (file: string) => `the end of ${file}`,
  noLog: "This daemon writes its log to its stderr, and keeps no file of its own. As a service:",
  noLogCommand: "journalctl --user -u drover",
  logNone: "The log is empty.", logUnknown: "This daemon does not show its log.",
  logLines: "Lines of the log", problemsOnly: "only warnings and errors",
  noneOfThem: "There are no warnings and errors in these lines.",

  backup: "Backup",
  backupNow: "Back up now", backingUp: "copying…",
  backupLast: (file: string, size: string, when: string) => `The last one: ${file}, ${size}, ${when}.`,
  backupNone: "There is no backup in the data directory.",
  backupMade: (file: string, size: string) => `${file}: ${size}.`,
  backupAbout: "It copies the database while the daemon runs. Output of jobs, images and the key of"
    + " webhooks are files beside it:",
  backupPostgres: "PostgreSQL has its own tools: pg_dump copies the database while the daemon runs.",
  backupCommand: "drover backup ./drover-backup.db",
  filesCommand: "tar -C ~/.local/state/drover -cf ./drover-files.tar spool blobs webhook.key",
};
