// processes.mjs: what runs for jobs, found from outside as the kernel shows it.
//
// Every process of a job carries DROVER_DATA in its environment, and every holder runs from the
// data directory: also when its folder is gone, and when nobody is left who would know of it.
import assert from "node:assert/strict";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** What the file says, or nothing: of a process that ended meanwhile, or is somebody else's. */
export function read(file) {
  try {
    return readFileSync(file, "latin1");
  } catch {
    return "";
  }
}

function link(file) {
  try {
    return readlinkSync(file);
  } catch {
    return "";
  }
}

const pids = () => readdirSync("/proc").filter((name) => /^\d+$/.test(name));

/** Everything that lives for jobs of those data directories: [{pid, run, holder}]. The nursery,
 * which is no job's, is not among them. */
export function processesOf(...directories) {
  const found = [];
  for (const pid of pids()) {
    const words = read(`/proc/${pid}/environ`).split("\0");
    const run = words.find((word) => word.startsWith("DROVER_RUN="))?.slice("DROVER_RUN=".length);
    const program = link(`/proc/${pid}/exe`);
    const holder = directories.some((data) => program.startsWith(`${data}/libexec/`));
    if (holder && read(`/proc/${pid}/cmdline`).split("\0")[1] === "nursery") continue;
    if (holder || (run && directories.some((data) => words.includes(`DROVER_DATA=${data}`)))) {
      found.push({ pid: Number(pid), run, holder });
    }
  }
  return found;
}

/** Every process whose program, words or environment name the folder, whatever it is there for. */
export const processesIn = (folder) =>
  pids().filter((pid) => {
    const words = [read(`/proc/${pid}/cmdline`), read(`/proc/${pid}/environ`)];
    return [link(`/proc/${pid}/exe`), ...words].some((text) => text.includes(folder));
  });

export function kill(pid, signal = "SIGKILL") {
  try {
    process.kill(pid, signal);
  } catch (error) {
    assert.equal(error.code, "ESRCH");
  }
}

const below = (pid) =>
  read(`/proc/${pid}/task/${pid}/children`).trim().split(" ").filter(Boolean).map(Number);
const isOurs = (pid) => read(`/proc/${pid}/comm`).startsWith("drover");

/** The processes that workers of a daemon are forked from, and these workers. */
export const zygotesOf = ({ child }) => below(child.pid).filter((pid) => !isOurs(pid));
export const workersOf = (daemon) => zygotesOf(daemon).flatMap(below);

/** The process in which scripts are judged, if it runs. A thread of the pool has started it. */
export const checkersOf = ({ child }) =>
  pids().filter((pid) => {
    const [, name, , parent] = read(`/proc/${pid}/stat`).split(" ");
    return name === "(drover-checker)" && Number(parent) === child.pid;
  });

/** Kills what is left of the jobs of those data directories; whether nobody was. */
export function killLeft(...directories) {
  const left = processesOf(...directories);
  left.forEach(({ pid }) => kill(pid));
  return left.length === 0;
}
