// machine.mjs: the computer of a newcomer: a bare Debian 12 with the .deb, curl and the examples.
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";

import { root } from "../integration/lib.mjs";

const BARE = path.join(root, "test/package/bare");
const run = promisify(execFile);

// The documentation needs curl; git is what the clone with the examples was made with.
const INSTALL = `export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
apt-get -qq -y --no-install-recommends -o Acquire::Retries=2 install /srv/drover.deb curl git`;

/** Installs the .deb there. `after(f)` calls f at the end of the tests: all that runs there ends,
 *  and the folder is removed. */
export async function machine(after) {
  const folder = mkdtempSync(path.join(tmpdir(), "drv-bare-"));
  let first;
  after(async () => {
    if (first?.kill("SIGKILL")) await once(first, "exit");
    rmSync(folder, { recursive: true, force: true });
  });
  await run(BARE, ["new", folder]);
  const { stdout } = await run(path.join(root, "scripts/package"));
  await run("cp", [stdout.trim(), path.join(folder, "srv/drover.deb")]);
  await run("cp", ["-r", path.join(root, "examples"), path.join(folder, "srv/examples")]);
  first = spawn(BARE, ["enter", folder, "sh", "-c", "echo ready; exec sleep infinity"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(first.stdout, "data");
  const join = [BARE, "join", String(first.pid)];
  const type = (script) => run(join[0], [...join.slice(1), "sh", "-euc", script]);
  await type(INSTALL);
  /** A user who has used nothing yet, and has the examples in the home directory. */
  const person = (name) => type(`useradd --create-home --shell /bin/bash ${name}
cp -r /srv/examples /home/${name}/
chown -R ${name}: /home/${name}`);
  return { folder, join, person };
}
