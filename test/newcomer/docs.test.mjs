// docs.test.mjs: the commands of README and of the documentation, typed as they are printed there
// by a new user of a bare Debian 12 with the .deb, curl and the examples.
//
// runs-with: bare
import { after, before, describe, test } from "node:test";

import { runPage, TYPED } from "../integration/docs.mjs";
import { scratch } from "../integration/lib.mjs";
import { scaled } from "../integration/scale.mjs";
import { installPackage, machine } from "./machine.mjs";

describe("the commands of a page run in a bare root as they are printed", () => {
  let join, person;
  let end = () => {};
  before(async () => {
    const bare = await machine((given) => (end = given));
    person = await installPackage(bare);
    join = bare.join;
  }, { timeout: scaled(300_000) });
  after(() => end());

  TYPED.forEach((page, i) => {
    test(page, { timeout: scaled(60_000) }, async (t) => {
      // Each page begins as the first one does: with a user who has used nothing yet.
      const user = `reader${i}`;
      await person(user);
      const words = [...join, "su", "-", user, "-s", "/bin/sh", "-c", "exec sh -eu"];
      await runPage(t, page, { folder: scratch(t), words });
    });
  });
});
