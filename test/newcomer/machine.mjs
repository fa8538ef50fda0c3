// machine.mjs: the computer of a newcomer: a bare Debian, as debootstrap makes it.
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";

import { root } from "../integration/lib.mjs";

const BARE = path.join(root, "test/package/bare");
const run = promisify(execFile);

/** A bare system (of Debian 12 if no release is named), in which nobody is asked. `after(f)` calls
 *  f at the end of the tests: all that runs there ends, and the folder is removed. `join` are words
 *  before a command of root there. */
export async function machine(after, release = "bookworm") {
  const folder = mkdtempSync(path.join(tmpdir(), "drv-bare-"));
  let first;
  after(async () => {
    if (first?.kill("SIGKILL")) await once(first, "exit");
    rmSync(folder, { recursive: true, force: true });
  });
  await run(BARE, ["new", folder, release]);
  first = spawn(BARE, ["enter", folder, "sh", "-c", "echo ready; exec sleep infinity"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(first.stdout, "data");
  const join = [BARE, "join", String(first.pid)];
  const type = (script) => run(join[0], [...join.slice(1), "sh", "-euc", script]);
  await type(`echo 'APT::Get::Assume-Yes "true"; Acquire::Retries "2"; Dpkg::Use-Pty "0";' \\
>/etc/apt/apt.conf.d/nobody-is-asked`);
  return { folder, join, type };
}

/** The commit of this checkout, for a clone. */
export const REPOSITORY = "/srv/drover.git";
export async function placeRepository({ folder }) {
  const words = ["clone", "--quiet", "--bare", "--no-hardlinks", root, folder + REPOSITORY];
  await run("git", words);
}

// The documentation needs curl; git is what the clone with the examples was made with.
const INSTALL = `export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
apt-get -qq --no-install-recommends install /srv/drover.deb curl git`;

/** Installs the .deb. Gives `person(name)`: makes a user who has used nothing yet, and has the
 *  examples in the home directory. */
export async function installPackage({ folder, type }) {
  const { stdout } = await run(path.join(root, "scripts/package"));
  await run("cp", [stdout.trim(), path.join(folder, "srv/drover.deb")]);
  await run("cp", ["-r", path.join(root, "examples"), path.join(folder, "srv/examples")]);
  await type(INSTALL);
  return (name) => type(`useradd --create-home --shell /bin/bash ${name}
cp -r /srv/examples /home/${name}/
chown -R ${name}: /home/${name}`);
}
